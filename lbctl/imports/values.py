"""What goes in and what comes out: an object found, a draft of a pool, a remark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lbctl.addresses import Range
from lbctl.errors import LbctlError
from lbctl.problems import FORBIDDEN
from lbctl.selectors import Requirement

LONGEST = 200  # characters of somebody else's text in a remark

# A scalar of an object is text, as with the pool file (yamltext.py), and a null is None.
Value = Any


def clean(text: str) -> str:
    """Text on one line, without what could end a comment or steer a terminal."""
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", line)


def plain(text: object) -> str:
    """Somebody else's text, clean and cut."""
    line = clean(str(text))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def words(values: object) -> str:
    """A list as one writes it in a sentence."""
    return ", ".join(map(plain, values)) if isinstance(values, list | tuple) else plain(values)


class ImportFailed(LbctlError):
    """What is to be imported cannot be read, or holds nothing that a pool file can."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object of the API as it was found; `place` is `FILE:LINE`, empty when it came from a cluster."""

    body: Mapping[str, Value]
    place: str = ""

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body.get("kind") or "")

    @property
    def group(self) -> str:
        """Its API group, empty for the core."""
        return str(self.body.get("apiVersion") or "").rpartition("/")[0]

    @property
    def version(self) -> str:
        """Its version, without the group."""
        return str(self.body.get("apiVersion") or "").rpartition("/")[2]

    @property
    def meta(self) -> Mapping[str, Value]:
        """Its metadata."""
        meta = self.body.get("metadata")
        return meta if isinstance(meta, Mapping) else {}

    @property
    def name(self) -> str:
        """Its name."""
        return plain(self.meta.get("name") or "")

    @property
    def namespace(self) -> str:
        """Its namespace, empty when it has none."""
        return plain(self.meta.get("namespace") or "")

    @property
    def spec(self) -> Mapping[str, Value]:
        """Its spec."""
        spec = self.body.get("spec")
        return spec if isinstance(spec, Mapping) else {}

    @property
    def label(self) -> str:
        """What users call it: `IPAddressPool metallb-system/lan`."""
        name = "/".join(filter(None, (self.namespace, self.name)))
        return f"{plain(self.kind)} {name or '(without a name)'}"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is not as it was, at one field of one object; `field` may be empty."""

    found: Found
    field: str
    sentence: str

    @property
    def said(self) -> str:
        """`FIELD: sentence`, as in a comment above the pool."""
        return f"{self.field}: {self.sentence}" if self.field else self.sentence

    def __str__(self) -> str:
        """`FILE:LINE: KIND NAME: FIELD: sentence`, as on stderr."""
        return ": ".join(filter(None, (self.found.place, self.found.label, self.said)))


class About:
    """The remarks about one object, or about the part of it that becomes one pool; they are all in `book` as well."""

    def __init__(self, found: Found, book: list[Remark]) -> None:
        self.found = found
        self.remarks: list[Remark] = []
        self._book = book

    def say(self, where: str, sentence: str) -> None:
        """Remark something at a field, which is a path such as `spec.addresses[0]`."""
        remark = Remark(self.found, plain(where), clean(sentence))
        self.remarks.append(remark)
        self._book.append(remark)


Chosen = tuple[Requirement, ...]  # a label selector: all of them must hold, so that an empty one fits everything


@dataclass(frozen=True, slots=True)
class Part:
    """One item of a pool's addresses: its range, how it is written, and the field it came from."""

    range: Range
    text: str
    field: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A pool as a system has it, in the words of the pool file; `settle` makes pools of drafts."""

    system: str
    name: str
    parts: tuple[Part, ...]
    about: About
    exclude: tuple[Range, ...] = ()
    avoid_buggy_ips: bool = False
    auto_assign: bool = True
    priority: int | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: Chosen | None = None
    service_selector: Chosen | None = None
    disabled: bool = False

    @property
    def open(self) -> bool:
        """Whether every Service may get an address of it."""
        spaces = self.namespaces and self.namespace_selector != ()
        return not (self.disabled or spaces or self.namespace_selector or self.service_selector)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: the pool file, how many pools are in it, the remarks, and the kinds passed over."""

    text: str
    pools: int
    remarks: tuple[Remark, ...]
    others: tuple[str, ...]
