"""Reading the fields of other systems' objects: text, lists, booleans, label selectors, addresses.

Whatever a field holds, reading it ends in a value or in Unreadable. Names and labels are held to Kubernetes' own rules,
so that everything that goes on into a pool file is sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from lbctl.addresses import Address, AddressError, Family, Range, family_of, from_int, parse_address, parse_range
from lbctl.imports.values import About, Chosen, Part, Value, plain
from lbctl.poolrules import unfit
from lbctl.poolschema import SelectorModel
from lbctl.selectors import Operator, Requirement, Selector

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # the label that the API server puts on every namespace (KEP-2161)

# What kubectl's YAML takes for a boolean where one is wanted (YAML 1.1).
_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


class Unreadable(ValueError):
    """A field that holds something else than it can; `where` is its path."""

    def __init__(self, where: str, sentence: str) -> None:
        super().__init__(sentence)
        self.where = where
        self.sentence = sentence


def mapping(value: Value, where: str) -> Mapping[str, Value]:
    """A mapping; a missing one is empty."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Unreadable(where, "this is no mapping")
    return value


def items(value: Value, where: str) -> list[Value]:
    """A list; a missing one is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(where, "this is no list")
    return value


def texts(value: Value, where: str) -> tuple[str, ...]:
    """A list of text; a missing one is empty."""
    found = items(value, where)
    for number, item in enumerate(found):
        if not isinstance(item, str):
            raise Unreadable(f"{where}[{number}]", "this is no text")
    return tuple(found)


def is_namespace(name: str) -> bool:
    """Whether a namespace can be named so."""
    return _DNS_LABEL.fullmatch(name) is not None


def namespaces(value: Value, where: str) -> tuple[str, ...]:
    """A list of namespaces, each once."""
    found = texts(value, where)
    for number, name in enumerate(found):
        if not is_namespace(name):
            raise Unreadable(f"{where}[{number}]", f"no namespace can be named {plain(name)!r}")
    return tuple(dict.fromkeys(found))


def flag(holder: Mapping[str, Value], key: str, default: bool, *, safe: bool, about: About, path: str = "spec") -> bool:
    """A boolean; `safe` where it is neither true nor false, which is remarked."""
    value = holder.get(key)
    if value is None:
        return default
    text = value.lower() if isinstance(value, str) else ""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    about.say(f"{path}.{key}", f"this is neither true nor false, and is taken for {str(safe).lower()}")
    return safe


def selector(value: Value, where: str) -> Chosen:
    """A label selector; a missing one fits everything, as an empty one does. Raises Unreadable."""
    whole = {key: part for key, part in mapping(value, where).items() if part is not None}
    try:
        model = SelectorModel.model_validate(whole)
    except ValidationError as bad:
        loc = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in bad.errors()[0]["loc"])
        raise Unreadable(where + plain(loc), "Kubernetes knows no such label selector") from None
    found = [Requirement(key, Operator.IN, (value,)) for key, value in model.match_labels.items()]
    for number, one in enumerate(model.match_expressions):
        try:
            found.append(Requirement(one.key, Operator(one.operator), tuple(dict.fromkeys(one.values))))
        except ValueError as bad:
            raise Unreadable(f"{where}.matchExpressions[{number}]", plain(bad)) from None
    return tuple(found)


def either(alternatives: Sequence[Chosen]) -> Chosen | None:
    """The selector that fits just what any of these fits; None when no one selector does."""
    found = list(dict.fromkeys(alternatives))
    if () in found:
        return ()
    if len(found) == 1:
        return found[0]
    if (
        any(len(one) > 1 or one[0].operator is not Operator.IN for one in found)
        or len({one[0].key for one in found}) > 1
    ):
        return None
    values = dict.fromkeys(value for one in found for value in one[0].values)
    return (Requirement(found[0][0].key, Operator.IN, tuple(values)),)


def shown(chosen: Chosen) -> str:
    """A selector as `kubectl get -l` takes it."""
    exact = [one for one in chosen if one.operator is Operator.IN and len(one.values) == 1]
    rest = [one for one in chosen if one not in exact]
    return str(Selector(tuple((one.key, one.values[0]) for one in exact), tuple(rest))) or "everything"


def parts(written: Sequence[tuple[str, Value]], about: About, *, reader: str, from_host: bool = False) -> list[Part]:
    """Addresses, ranges and CIDRs by the fields they stand in; what no pool can hold is remarked and left out.

    `reader` is the program whose reading of a CIDR with host bits is kept: it begins at the address written where
    `from_host` is set, else at the network's first.
    """
    found = []
    for where, value in written:
        if not isinstance(value, str):
            about.say(where, "this is no text, and is not carried over")
            continue
        try:
            part, as_written = _part(where, value, from_host=from_host)
        except AddressError as bad:
            about.say(where, f"{plain(bad)}; it is not carried over")
            continue
        if bad_for := unfit(part.range):
            about.say(where, f"no Service can have {plain(value)}: {', '.join(bad_for)}; it is not carried over")
            continue
        if not as_written:
            about.say(
                where, f"{plain(value)} has host bits set; {reader} reads it as {part.text}, and so it is written"
            )
        found.append(part)
    return found


def _part(where: str, text: str, *, from_host: bool) -> tuple[Part, bool]:
    """Read one item, and whether it stays as written, which a CIDR with host bits does not; raises AddressError."""
    try:
        return Part(parse_range(text), "".join(text.split()), where), True
    except AddressError:
        if (network := _network(text)) is None:
            raise
    address, prefix, span = network
    if from_host:
        span = Range(span.family, int(address), span.high)
        return Part(span, str(span), where), False
    return Part(span, f"{from_int(span.family, span.low)}/{prefix}", where), False


def _network(text: str) -> tuple[Address, str, Range] | None:
    """The address, the prefix and the network of a CIDR with host bits; None when it is no CIDR at all."""
    first, _, prefix = text.strip().partition("/")
    try:
        address = parse_address(first)
        family = family_of(address)
        # Of this address every CIDR is without host bits, so that what is no prefix is refused in one place.
        size = parse_range(f"{from_int(family, 0)}/{prefix}").high + 1
    except AddressError:
        return None
    low = int(address) & -size
    return address, prefix, Range(family, low, low + size - 1)


def ends(part: Part) -> Iterator[Range]:
    """The first and last address of a CIDR, but of one of two addresses or of one; nothing for what is none."""
    family, low, high = part.range
    if "/" in part.text and high - low > 1:
        yield Range(family, low, low)
        yield Range(family, high, high)


def prefix_ends(low: int, high: int) -> Iterator[Range]:
    """The ends of each of the IPv4 CIDRs that a range is made of."""
    while low <= high:
        size = min(low & -low or 1 << 32, 1 << ((high - low + 1).bit_length() - 1))
        if size > 2:
            yield Range(Family.IPV4, low, low)
            yield Range(Family.IPV4, low + size - 1, low + size - 1)
        low += size
