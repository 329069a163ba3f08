"""The keys of a pool file and their types: one declaration, from which the checks come.

pydantic does the checking; what a user reads comes from the table below, at the place of the node that pydantic names.
Every scalar arrives as text. What only the addresses can tell (overlaps, exclusions) stands in poolrules.
"""

from __future__ import annotations

import re
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, LiteralString, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from lbctl.durations import DurationError, parse_duration
from lbctl.problems import Problem
from lbctl.yamltext import Node

_NULL = object()  # stands for a null, which no key takes: a line without a value is a slip
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,8})", re.ASCII)  # without the forms that YAML 1.1 and 1.2 read differently
_IPV6_HEAD = re.compile("[0-9A-Fa-f:.]*:")  # what YAML leaves of `fd00::` when it takes the last colon for its own
_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"  # a DNS label, as Kubernetes names a Service


def _boolean(value: object) -> bool:
    if value not in ("true", "false"):
        raise PydanticCustomError("boolean", "neither true nor false")
    return value == "true"


def _integer(value: object) -> int:
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        raise PydanticCustomError("integer", "not a whole number")
    return int(value)


def _duration(value: object) -> timedelta:
    if not isinstance(value, str):
        raise PydanticCustomError("duration", "not text")
    try:
        return parse_duration(value)
    except DurationError as bad:
        raise PydanticCustomError(_DURATIONS[bad.kind], "no duration") from bad


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Integer = Annotated[int, BeforeValidator(_integer)]
Duration = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string"})]

_DURATIONS: dict[str, LiteralString] = {"form": "duration", "negative": "negative_duration", "long": "long_duration"}
_POOL = {"name": "lan", "addresses": ["192.0.2.200-192.0.2.220"]}


class PoolModel(BaseModel):
    """One item of `pools`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=_NAME, examples=["lan"], description="what Services and messages call the pool")
    addresses: list[str] = Field(
        min_length=1,
        examples=[["192.0.2.200-192.0.2.220"]],
        description="what the pool holds: ranges (first-last, both included), CIDRs without host bits, addresses",
    )
    exclude: list[str] = Field(
        [], examples=[["192.0.2.210"]], description="what of the addresses no Service gets, written alike"
    )
    avoid_buggy_ips: Boolean = Field(
        False,
        alias="avoidBuggyIPs",
        examples=[True],
        description="leave out IPv4 addresses ending in .0 and .255, which some old routers drop",
    )
    auto_assign: Boolean = Field(
        True,
        alias="autoAssign",
        examples=[False],
        description="false: only Services that name the pool, or one of its addresses, get one",
    )
    priority: Integer | None = Field(
        None,
        examples=[10],
        description="pools with a lower number are used up first, those without a number last, ties in file order",
    )
    reuse_after: Duration = Field(
        timedelta(seconds=60),
        alias="reuseAfter",
        examples=["60s"],
        description="a released address is not given to another Service sooner",
        json_schema_extra={"default": "60s"},
    )
    keep_for: Duration = Field(
        timedelta(hours=24),
        alias="keepFor",
        examples=["24h"],
        description="a Service deleted and created again within this gets its address back",
        json_schema_extra={"default": "24h"},
    )


class PoolFileModel(BaseModel):
    """A whole pool file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_version: Literal["lbctl/v1"] = Field(
        "lbctl/v1", alias="apiVersion", examples=["lbctl/v1"], description="the version of this form"
    )
    load_balancer_class: str | None = Field(
        None,
        alias="loadBalancerClass",
        pattern=r"^\S+$",
        examples=["example.com/lan"],
        description="look only at Services with this spec.loadBalancerClass; unset: only at those without one",
    )
    pools: list[PoolModel] = Field(min_length=1, examples=[[_POOL]], description="where addresses come from")


def json_schema() -> dict[str, Any]:
    """The form as JSON Schema (2020-12), for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **PoolFileModel.model_json_schema(),
        "title": "pool file of lbctl",
        "description": "Which addresses lbctl may give to Services of type LoadBalancer.",
    }


_TRUE = frozenset({"yes", "y", "on", "true", "t", "1"})
_FALSE = frozenset({"no", "n", "off", "false", "f", "0"})

# Words for each kind of error that pydantic or a validator above gives; a row `key:kind` goes before the row `kind`.
_WORDS = {
    "string_type": ("{key} is text, and this is {found}", "write {key}: {example}"),
    "list_type": ("{key} is a list, and this is {found}", "write {key}: {example}"),
    "too_short": ("{key} is an empty list", "write {key}: {example}"),
    "literal_error": ("{key} is {found}, which this lbctl does not read", "write {key}: {example}, or update lbctl"),
    "name:string_pattern_mismatch": (
        "a pool cannot be named {found}",
        "write up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
    ),
    "loadBalancerClass:string_pattern_mismatch": (
        "a class cannot be named {found}",
        "write it as in the Services' spec.loadBalancerClass, such as {example}",
    ),
    "boolean": ("{key} is true or false, and this is {found}", "write {key}: true or {key}: false"),
    "integer": ("{key} is a whole number of at most nine digits, and this is {found}", "write {key}: {example}"),
    "duration": (
        "{key} is a duration, and this is {found}",
        "write hours, minutes, seconds as in 24h, 1h30m, 60s, 500ms",
    ),
    "negative_duration": ("{key} is negative", "write {key}: 0s or more"),
    "long_duration": ("{key} is longer than 292 years", "write {key}: {example}"),
}


def check(root: Node) -> tuple[PoolFileModel | None, list[Problem]]:
    """The file as the model has it, or None and what is wrong with its keys and types."""
    try:
        return PoolFileModel.model_validate(_plain(root)), []
    except ValidationError as bad:
        errors = bad.errors(include_url=False, include_context=False, include_input=False)
        return None, [_problem(root, error["loc"], error["type"]) for error in errors]


def _plain(node: Node) -> Any:
    value = node.value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return _NULL if value is None else value


def _problem(root: Node, path: tuple[str | int, ...], kind: str) -> Problem:
    if kind == "missing":
        return _missing(_node(root, path[:-1]), path)
    if kind == "extra_forbidden":
        return _unknown_key(_node(root, path[:-1]), path)
    node = _node(root, path)
    if not path:
        return Problem(
            node.place, f"a pool file is a mapping, and this is {_found(node)}", "begin the file with pools:"
        )
    if isinstance(path[-1], int):
        return _wrong_item(node, str(path[-2]))
    return _wrong_value(node, path, kind)


def _node(root: Node, path: tuple[str | int, ...]) -> Node:
    node: Any = root
    for part in path:
        node = node.value[part]
    return cast("Node", node)


def _found(node: Node) -> str:
    if isinstance(node.value, str):
        return repr(node.value)
    return "a list" if isinstance(node.value, list) else "a mapping"


def _fields(path: tuple[str | int, ...]) -> dict[str, FieldInfo]:
    """The fields of the mapping that holds the key at this path, by the names they have in the file."""
    model = PoolModel if len(path) > 1 else PoolFileModel
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _example(path: tuple[str | int, ...]) -> str:
    examples = _fields(path)[str(path[-1])].examples or [""]
    return _written(examples[0])


def _written(value: object) -> str:
    """A value as one writes it in YAML."""
    import json  # here, because a file without errors needs none of its millisecond

    return json.dumps(value).replace('"', "")


def _missing(owner: Node, path: tuple[str | int, ...]) -> Problem:
    what = "the pool" if len(path) > 1 else "the pool file"
    return Problem(owner.place, f"{what} has no {path[-1]}", f"add {path[-1]}: {_example(path)}")


def _unknown_key(owner: Node, path: tuple[str | int, ...]) -> Problem:
    key, inside = str(path[-1]), len(path) > 1
    what = "a pool" if inside else "the pool file"
    own, other = _fields(path), _fields(path[:1] if inside else (*path, key))
    near = get_close_matches(_folded(key), [_folded(known) for known in own], n=1)
    if near:
        hint = f"did you mean {next(known for known in own if _folded(known) == near[0])}?"
    elif key in other:
        hint = f"{key} belongs " + ("at the top of the file" if inside else "into an item of pools")
    else:
        hint = f"the keys of {what} are {', '.join(own)}"
    return Problem(owner.keys[key], f"unknown key {key!r} in {what}", hint)


def _folded(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _wrong_item(node: Node, key: str) -> Problem:
    if node.value is None:
        return Problem(node.place, f"an item of {key} is empty", "write something after the -, or remove the -")
    if key == "pools":
        sentence = f"an item of pools is a mapping, and this is {_found(node)}"
        return Problem(node.place, sentence, f"write {_written(_POOL)}")
    if isinstance(node.value, dict) and _IPV6_HEAD.fullmatch(first := next(iter(node.value), "")):
        sentence = f"YAML reads {first}: as the key of a mapping, for it ends in a colon"
        return Problem(node.place, sentence, f'put it in quotes: "{first}:"')
    sentence = f"an item of {key} is text, and this is {_found(node)}"
    return Problem(node.place, sentence, "write one address, range or CIDR in each item")


def _wrong_value(node: Node, path: tuple[str | int, ...], kind: str) -> Problem:
    key, example = str(path[-1]), _example(path)
    if node.value is None:
        otherwise = "" if _fields(path)[key].is_required() else f", or remove {key}"
        return Problem(node.place, f"{key} has no value", f"write {key}: {example}{otherwise}")
    sentence, hint = _WORDS.get(f"{key}:{kind}") or _WORDS[kind]
    words = {"key": key, "found": _found(node), "example": example}
    meant = _meant(kind, node.value) if isinstance(node.value, str) else ""
    return Problem(node.place, sentence.format(**words), f"write {key}: {meant}" if meant else hint.format(**words))


def _meant(kind: str, text: str) -> str:
    """The value that was probably meant, empty when nobody can tell."""
    if kind == "list_type":
        return f"[{text}]" if text and text.isprintable() else ""
    if kind == "boolean":
        return "true" if text.lower() in _TRUE else "false" if text.lower() in _FALSE else ""
    if kind == "duration" and (number := re.fullmatch("([0-9]{1,6})(d?)", text)):
        return f"{int(number[1]) * 24}h" if number[2] else f"{text}s"
    return ""
