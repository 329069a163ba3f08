"""A small Kubernetes API server on loopback: Services, ConfigMaps, Nodes, Leases and more, as the real one has them.

It is for trying lbctl without a cluster and for tests that need none; nothing runs in it and everybody is let in, so it
listens on loopback alone. One suite (tests/contract) holds it to the real kube-apiserver. It knows nothing of lbctl.
"""

from lbctl.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]
