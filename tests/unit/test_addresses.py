"""Addresses and sets of them."""

from __future__ import annotations

import pytest

from lbctl.addresses import AddressError, AddressSet, Family, Range, from_int, parse_address, parse_range

ONE = "write an address such as 192.0.2.10 or 2001:db8::10"
ANY = "write an address (192.0.2.10), a range (192.0.2.200-192.0.2.220) or a CIDR (192.0.2.240/28)"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("", "'' is not an IP address", ONE),
        ("localhost", "'localhost' is not an IP address", ONE),
        ("192.0.2.256", "'192.0.2.256' is not an IP address", ONE),
        (" 192.0.2.1", "' 192.0.2.1' is not an IP address", ONE),
        ("192.0.2.\u0661", "'192.0.2.\u0661' is not an IP address", ONE),
        ("192.0.2.010", "'192.0.2.010' has a number with a leading zero", "write 192.0.2.10"),
        ("192.0.2.0300", "'192.0.2.0300' is not an IP address", ONE),
        ("fe80::1%eth0", "'fe80::1%eth0' has a zone, and an address to hand out has none", "write fe80::1"),
        ("::ffff:c000:201", "'::ffff:c000:201' is an IPv4 address mapped into IPv6", "write 192.0.2.1"),
    ],
)
def test_text_that_is_no_address_says_what_to_write(text: str, said: str, hint: str) -> None:
    """One address is read exactly, with nothing around it, or refused with the form that would do."""
    with pytest.raises(AddressError) as refused:
        parse_address(text)
    assert (str(refused.value), refused.value.hint) == (said, hint)


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("lan", "'lan' is not an IP address", ANY),
        ("-192.0.2.1", "the range '-192.0.2.1' has an address at one end only", ANY),
        ("192.0.2.1-", "the range '192.0.2.1-' has an address at one end only", ANY),
        ("192.0.2.1-192.0.2.5-192.0.2.9", "'192.0.2.5-192.0.2.9' is not an IP address", ANY),
        ("192.0.2.200-220", "the range 192.0.2.200-220 has no address at its end", "write 192.0.2.200-192.0.2.220"),
        (
            "192.0.2.1 - 2001:db8::1",
            "the range 192.0.2.1-2001:db8::1 goes from one family to the other",
            "write one range per family",
        ),
        ("2001:db8::9-2001:db8::1", "the range 2001:db8::9-2001:db8::1 is reversed", "write 2001:db8::1-2001:db8::9"),
        ("192.0.2.0/", "'192.0.2.0/' is not a CIDR", "end it with a prefix from /0 to /32, such as 192.0.2.0/32"),
        ("192.0.2.0/024", "'192.0.2.0/024' is not a CIDR", "end it with a prefix from /0 to /32, such as 192.0.2.0/32"),
        (
            "2001:db8::/129",
            "'2001:db8::/129' is not a CIDR",
            "end it with a prefix from /0 to /128, such as 2001:db8::/128",
        ),
        ("lan/24", "'lan' is not an IP address", ANY),
    ],
)
def test_text_that_is_no_range_says_what_to_write(text: str, said: str, hint: str) -> None:
    """Every way to miss a range has a sentence of its own."""
    with pytest.raises(AddressError) as refused:
        parse_range(text)
    assert (str(refused.value), refused.value.hint) == (said, hint)


def test_a_cidr_with_host_bits_says_what_it_would_be() -> None:
    """192.0.2.200/28 silently becoming .192-.207 has cost people their LAN."""
    with pytest.raises(AddressError) as refused:
        AddressSet.parse("192.0.2.200/28")
    assert str(refused.value) == (
        "192.0.2.200/28 has host bits set; the network is 192.0.2.192/28 (192.0.2.192-192.0.2.207)"
    )


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("192.0.2.1", 0xC0000201, 0xC0000201),
        (" 192.0.2.1 - 192.0.2.9 ", 0xC0000201, 0xC0000209),
        ("192.0.2.4-192.0.2.4", 0xC0000204, 0xC0000204),
        ("192.0.2.240/28", 0xC00002F0, 0xC00002FF),
        ("192.0.2.1/32", 0xC0000201, 0xC0000201),
        ("0.0.0.0/0", 0, 2**32 - 1),
        ("::/0", 0, 2**128 - 1),
        ("2001:DB8::/127", 0x20010DB8 << 96, (0x20010DB8 << 96) + 1),
    ],
)
def test_ranges_cidrs_and_single_addresses_are_read(text: str, low: int, high: int) -> None:
    """Both ends are included, and spaces around them do not matter."""
    family = Family.IPV6 if ":" in text else Family.IPV4
    assert parse_range(text) == Range(family, low, high)


def test_difference_and_membership_agree() -> None:
    """What is taken out is out, at both ends and in the middle."""
    left = AddressSet.parse("192.0.2.0/28") - AddressSet.parse("192.0.2.4-192.0.2.6")
    assert str(left) == "192.0.2.0-192.0.2.3, 192.0.2.7-192.0.2.15"
    assert parse_address("192.0.2.5") not in left
    assert left.size() == 13


def test_a_huge_set_costs_what_a_small_one_costs() -> None:
    """Nothing but iteration depends on how many addresses a range has."""
    everything = AddressSet.parse("::/0")
    left = everything - AddressSet.parse("2001:db8::/32")
    assert left.size() == 2**128 - 2**96
    assert next(iter(left)) == parse_address("::")
    assert left | AddressSet.parse("2001:db8::/32") == everything


def test_numbers_alone_name_no_address() -> None:
    """192.0.2.1 and ::c000:201 are the same number and two addresses."""
    four, six = from_int(Family.IPV4, 0xC0000201), from_int(Family.IPV6, 0xC0000201)
    assert four in AddressSet.parse("192.0.2.0/24")
    assert six not in AddressSet.parse("192.0.2.0/24")
    with pytest.raises(ValueError):
        from_int(Family.IPV4, 2**32)
