"""The shape of the API's objects: what is known, how it is typed, and how lists merge.

One description serves four: reading a body (unknown fields, wrong types, empty values left out as the real one leaves
them out), strategic merge patches, managedFields, and the OpenAPI documents that kubectl asks for. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lbctl.sandbox.times import TimeError, microtime, second


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, number, boolean or time, by its name in the API server.

    `keep` holds on to an empty value that is given; one that is `always` there is empty when nothing is given.
    """

    name: str = "string"
    keep: bool = False
    always: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """An object of known fields; a `pointer` is left out when it is not given, anything else is always there.

    `atomic` is owned as a whole.
    """

    name: str
    fields: Mapping[str, Shape]
    pointer: bool = False
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Map:
    """An object of any keys; `atomic` is owned as a whole."""

    values: Shape = field(default_factory=Scalar)
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A list: `keys` tell its elements apart in managedFields, `merge` in a strategic merge patch.

    A `union` is a list of scalars that is a set to both. A list with none of these is replaced as a whole. One that
    is `always` there is null when nothing is given.
    """

    items: Shape = field(default_factory=Scalar)
    keys: tuple[str, ...] = ()
    merge: str = ""
    union: bool = False
    always: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """Whatever it is, it is taken as it comes."""


Shape = Scalar | Struct | Map | Many | Anything

TEXT = Scalar()
BASE64 = Scalar("bytes")
TEXT_KEPT = Scalar(keep=True)
TEXT_ALWAYS = Scalar(keep=True, always=True)
INT = Scalar("int32")
INT_KEPT = Scalar("int32", keep=True)
INT_ALWAYS = Scalar("int32", keep=True, always=True)
LONG = Scalar("int64")
LONG_KEPT = Scalar("int64", keep=True)
FLAG = Scalar("bool")
FLAG_KEPT = Scalar("bool", keep=True)
TIME = Scalar("Time")
TIME_ALWAYS = Scalar("Time", keep=True, always=True)
MICROTIME = Scalar("MicroTime")
MICROTIME_ALWAYS = Scalar("MicroTime", keep=True, always=True)
PORT = Scalar("IntOrString", keep=True)
ANYTHING = Anything()

MISSING = object()


class WrongType(Exception):
    """A value that cannot be read into its field, in the words of the API server."""


@dataclass(slots=True)
class Reader:
    """Reads one body into its shape and notes the fields it does not know."""

    unknown: list[str] = field(default_factory=list)

    def read(self, shape: Struct, value: object) -> dict[str, Any]:
        """The object as the API server would keep it. Raises WrongType."""
        got = self._struct(shape, value, "", "")
        return dict(got) if isinstance(got, dict) else {}

    def _value(self, shape: Shape, value: object, path: str, at: str) -> Any:
        match shape:
            case Scalar():
                return _scalar(shape, value, at)
            case Struct():
                return self._struct(shape, value, path, at)
            case Map():
                return self._map(shape, value, path, at)
            case Many():
                return self._list(shape, value, path, at)
        return MISSING if value is None else value

    def _struct(self, shape: Struct, value: object, path: str, at: str) -> Any:
        if value is None:
            if shape.pointer:
                return MISSING
            value = {}
        if not isinstance(value, dict):
            raise _mismatch(value, at, f"v1.{shape.name}")
        for key in value:
            if key not in shape.fields:
                self.unknown.append(f"{path}.{key}".lstrip("."))
        got: dict[str, Any] = {}
        trail = at.partition(".")[2]
        for key, inner in shape.fields.items():
            below = f"{shape.name}.{trail}.{key}" if trail else f"{shape.name}.{key}"
            read = self._value(inner, value.get(key), f"{path}.{key}".lstrip("."), below)
            if read is not MISSING:
                got[key] = read
        return got

    def _map(self, shape: Map, value: object, path: str, at: str) -> Any:
        if value is None:
            return MISSING
        if not isinstance(value, dict):
            raise _mismatch(value, at, "map[string]string")
        got = {}
        for key, one in value.items():
            read = self._value(shape.values, one, f"{path}.{key}", at)
            got[key] = "" if read is MISSING else read
        return got or MISSING

    def _list(self, shape: Many, value: object, path: str, at: str) -> Any:
        if value is None:
            return None if shape.always else MISSING
        if not isinstance(value, list):
            of = f"v1.{shape.items.name}" if isinstance(shape.items, Struct) else "string"
            raise _mismatch(value, at, f"[]{of}")
        got = []
        for index, one in enumerate(value):
            read = self._value(shape.items, one, f"{path}[{index}]", at)
            got.append("" if read is MISSING else read)
        return got if got or shape.always else MISSING


def _mismatch(value: object, at: str, wanted: str) -> WrongType:
    kind = _json_type(value)
    if isinstance(value, float):
        kind = f"number {value:g}"
    place = f"struct field {at}" if at else "value"
    return WrongType(f"json: cannot unmarshal {kind} into Go {place} of type {wanted}")


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return {str: "string", int: "number", float: "number", list: "array", dict: "object"}.get(type(value), "null")


EMPTY: Mapping[str, object] = {"string": "", "int32": 0, "int64": 0, "bool": False, "IntOrString": 0}
PYTHON: Mapping[str, type] = {"string": str, "bytes": str, "int32": int, "int64": int, "bool": bool}


def _scalar(shape: Scalar, value: object, at: str) -> Any:
    if shape.name in ("Time", "MicroTime"):
        return _time(shape, value, at)
    if value is None:
        return EMPTY[shape.name] if shape.always or shape.name == "IntOrString" else MISSING
    if shape.name == "IntOrString":
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise WrongType(f"json: cannot unmarshal {_json_type(value)} into Go value of type string")
        return value
    wanted = PYTHON[shape.name]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise _mismatch(value, at, shape.name)
    return value if value or shape.keep else MISSING


def _time(shape: Scalar, value: object, at: str) -> Any:
    if value is None or (value == "" and shape.name == "Time"):
        return None if shape.always else MISSING
    if not isinstance(value, str):
        raise _mismatch(value, at, "string")
    try:
        return (second if shape.name == "Time" else microtime)(value)
    except TimeError as bad:
        raise WrongType(str(bad)) from bad
