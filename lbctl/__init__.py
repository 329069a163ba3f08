"""lbctl: addresses for Services of type LoadBalancer on clusters you built yourself."""

__version__ = "0.1.0"
