"""Addresses and networks as the texts they are in objects: what is wrong, and how one should be written. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

NO_NETWORK = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def address_wrong(text: str) -> str:
    """What is wrong with an address, or nothing."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if re.fullmatch(r"(\d{1,3}\.){3}\d{1,3}", text) and all(int(part) < 256 for part in text.split(".")):
            return "must not have leading 0s"
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    return ""


def network_wrong(text: str) -> str:
    """What is wrong with a network, or nothing."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return NO_NETWORK
    return "" if "/" in text else NO_NETWORK


def special(text: str) -> Iterator[str]:
    """Why an address, which has been found to be one, is none that a host outside can have."""
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        yield f"may not be unspecified ({address})"
    if address.is_loopback:
        yield "may not be in the loopback range (127.0.0.0/8, ::1/128)"
    if address.is_link_local:
        yield "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
    if text.startswith("224.0.0.") or (
        address.version == 6 and address.is_multicast and text.lower().startswith("ff02")
    ):
        yield "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"


def address_warnings(field: str, text: str) -> Iterator[str]:
    """That an IPv6 address is not written as RFC 5952 has it."""
    if ":" not in text or address_wrong(text):
        return
    proper = str(ipaddress.ip_address(text))
    if proper != text:
        yield f'{field}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{proper}")'


def network_warnings(field: str, text: str) -> Iterator[str]:
    """That a network has host bits, or is not written as RFC 5952 has it."""
    if network_wrong(text):
        return
    network = ipaddress.ip_network(text, strict=False)
    address = ipaddress.ip_address(text.partition("/")[0])
    if address != network.network_address:
        single = f"{address}/{address.max_prefixlen}"
        yield f'{field}: CIDR value "{text}" is ambiguous in this context (should be "{network}" or "{single}"?)'
    elif ":" in text and str(network) != text:
        yield f'{field}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{network}")'
