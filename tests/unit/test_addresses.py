"""Addresses and sets of them."""

from __future__ import annotations

import pytest

from lbctl.addresses import AddressError, AddressSet, parse_address


def test_a_cidr_with_host_bits_says_what_it_would_be() -> None:
    """192.0.2.200/28 silently becoming .192-.207 has cost people their LAN."""
    with pytest.raises(AddressError) as refused:
        AddressSet.parse("192.0.2.200/28")
    assert str(refused.value) == (
        "192.0.2.200/28 has host bits set; the network is 192.0.2.192/28 (192.0.2.192-192.0.2.207)"
    )


def test_difference_and_membership_agree() -> None:
    """What is taken out is out, at both ends and in the middle."""
    left = AddressSet.parse("192.0.2.0/28") - AddressSet.parse("192.0.2.4-192.0.2.6")
    assert str(left) == "192.0.2.0-192.0.2.3, 192.0.2.7-192.0.2.15"
    assert parse_address("192.0.2.5") not in left
    assert left.size() == 13
