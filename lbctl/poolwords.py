"""What a user reads of a wrong key or value in a pool file: a sentence at its place, and what to write instead.

poolschema says where an error is and of which kind; the words are here, in one table, and the examples in them are the
schema's own. Imported for a file that has errors, so the others don't wait for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, cast, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lbctl.poolschema import ExpressionModel, Path, PoolFileModel, PoolModel, ReservationModel, SelectorModel
from lbctl.problems import Problem
from lbctl.yamltext import Node

# The key that holds mappings of each model; no key stands for two of them.
_MODELS: dict[str, type[BaseModel]] = {
    "pools": PoolModel,
    "namespaceSelector": SelectorModel,
    "serviceSelector": SelectorModel,
    "nodeSelector": SelectorModel,
    "matchExpressions": ExpressionModel,
    "reservations": ReservationModel,
}
_BELONGS: dict[type[BaseModel], str] = {
    PoolFileModel: "at the top of the file",
    PoolModel: "into an item of pools",
    SelectorModel: "into namespaceSelector, serviceSelector or nodeSelector",
    ExpressionModel: "into an item of matchExpressions",
    ReservationModel: "into an item of reservations",
}
_NEAR = 0.7  # of difflib's likeness, which a slip of the hand keeps, and two keys of this file do not have

_IPV6_HEAD = re.compile("[0-9A-Fa-f:.]*:")  # what YAML leaves of `fd00::` when it takes the last colon for its own
_LABEL_OF_KUBECTL = re.compile("([-A-Za-z0-9_./]+)==?([-A-Za-z0-9_.]+)")  # as `kubectl get -l` takes one
_TRUE = frozenset({"yes", "y", "on", "true", "t", "1"})
_FALSE = frozenset({"no", "n", "off", "false", "f", "0"})
_OPERATORS = get_args(ExpressionModel.model_fields["operator"].annotation)
# What other places call these operators: kubectl's -l, Python, and the API's own names with a word left out.
_OPERATORS_ELSEWHERE = {
    "=": "In",
    "==": "In",
    "equals": "In",
    "!=": "NotIn",
    "!": "DoesNotExist",
    "exist": "Exists",
    "notexist": "DoesNotExist",
    "notexists": "DoesNotExist",
}

_DNS_LABEL = "write up to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
_LABEL = "write up to 63 letters, digits, -, _ and ., with a letter or digit at both ends"

# Words for each kind of error that the schema gives; a row `key:kind` goes before the row `kind`.
_WORDS = {
    "string_type": ("{key} is text, and this is {found}", "write {key}: {example}"),
    "list_type": ("{key} is a list, and this is {found}", "write {key}: {example}"),
    "dict_type": ("{key} is a mapping, and this is {found}", "write {key}: {example}"),
    "model_type": ("{key} is a mapping, and this is {found}", "write {key}: {example}"),
    "too_short": ("{key} is an empty list", "write {key}: {example}"),
    "namespaces:too_short": ("{key} is an empty list", "write {key}: {example}, or remove {key}"),
    "interfaces:too_short": ("{key} is an empty list", "write {key}: {example}, or remove {key}"),
    "onConflict:literal_error": (
        "{key} is defend or yield, and this is {found}",
        "write {key}: defend or {key}: yield",
    ),
    "literal_error": ("{key} is {found}, which this lbctl does not read", "write {key}: {example}, or update lbctl"),
    "operator:literal_error": (
        "there is no operator {found}",
        f"write {', '.join(_OPERATORS[:-1])} or {_OPERATORS[-1]}{{near}}",
    ),
    "name:string_pattern_mismatch": ("a pool cannot be named {found}", _DNS_LABEL),
    "loadBalancerClass:string_pattern_mismatch": (
        "a class cannot be named {found}",
        "write it as in the Services' spec.loadBalancerClass, such as {example}",
    ),
    "service:string_pattern_mismatch": (
        "a Service is written NAMESPACE/NAME, and this is {found}",
        "write it as in {key}: {example}",
    ),
    "label_key": ("a label cannot have the key {found}", f"{_LABEL}; a DNS name and / may stand before"),
    "label_value": ("a label cannot have the value {found}", _LABEL),
    "boolean": ("{key} is true or false, and this is {found}", "write {key}: true or {key}: false"),
    "integer": ("{key} is a whole number of at most nine digits, and this is {found}", "write {key}: {example}"),
    "duration": (
        "{key} is a duration, and this is {found}",
        "write hours, minutes, seconds as in 24h, 1h30m, 60s, 500ms",
    ),
    "negative_duration": ("{key} is negative", "write {key}: 0s or more"),
    "long_duration": ("{key} is longer than 292 years", "write {key}: {example}"),
}
_ITEMS = {
    "addresses": "write one address, range or CIDR in each item",
    "exclude": "write one address, range or CIDR in each item",
    "namespaces": "write one namespace in each item",
    "interfaces": "write one interface in each item",
    "values": "write one value in each item",
}
# Words for an item that is text, and not such as the key takes.
_ITEM_WORDS = {
    "namespaces": ("no namespace is named {found}", _DNS_LABEL),
    "values": _WORDS["label_value"],
    "interfaces": (
        "no interface is named {found}",
        "write it as `ip link` shows it, such as eth0: up to 15 characters",
    ),
}


def problems(root: Node, wrong: Iterable[tuple[Path, str]]) -> list[Problem]:
    """Each error that the schema found in a file, in words and at its place."""
    return [_problem(root, path, kind) for path, kind in wrong]


def _problem(root: Node, path: Path, kind: str) -> Problem:
    if kind == "missing":
        return _missing(_node(root, path[:-1]), path)
    if kind == "extra_forbidden":
        return _unknown_key(_node(root, path[:-1]), path)
    if path[-3:-2] == ("matchLabels",):  # and then the label, and pydantic's word for its key itself
        key = str(path[-2])
        sentence, hint = _WORDS[kind]
        return Problem(_node(root, path[:-2]).keys[key], sentence.format(found=repr(key)), hint)
    node = _node(root, path)
    if not path:
        return Problem(
            node.place, f"a pool file is a mapping, and this is {_found(node)}", "begin the file with pools:"
        )
    if isinstance(path[-1], int):
        return _wrong_item(node, path)
    if path[-2:-1] == ("matchLabels",):
        return _wrong_label(node, str(path[-1]), kind)
    return _wrong_value(node, path, kind)


def _node(root: Node, path: Path) -> Node:
    node: Any = root
    for part in path:
        node = node.value[part]
    return cast("Node", node)


def _found(node: Node) -> str:
    if isinstance(node.value, str):
        return repr(node.value)
    return "a list" if isinstance(node.value, list) else "a mapping"


def _model(path: Path) -> type[BaseModel]:
    """The model of the mapping that holds the key at this path."""
    keys = [part for part in path[:-1] if isinstance(part, str)]
    return _MODELS[keys[-1]] if keys else PoolFileModel


def _mapping(path: Path, article: str) -> str:
    """What users call the mapping that holds the key at this path."""
    match _model(path):
        case model if model is PoolFileModel:
            return "the pool file"
        case model if model is SelectorModel:
            return str(path[-2])
        case model if model is ExpressionModel:
            return f"{'an' if article == 'a' else article} item of matchExpressions"
        case model:
            return f"{article} {'pool' if model is PoolModel else 'reservation'}"


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model, by the names they have in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _field(path: Path) -> FieldInfo:
    return _fields(_model(path))[str(path[-1])]


def _example(path: Path) -> str:
    return _written((_field(path).examples or [""])[0])


def _written(value: object) -> str:
    """A value as one writes it in YAML."""
    return json.dumps(value).replace('"', "")


def _missing(owner: Node, path: Path) -> Problem:
    return Problem(owner.place, f"{_mapping(path, 'the')} has no {path[-1]}", f"add {path[-1]}: {_example(path)}")


def _unknown_key(owner: Node, path: Path) -> Problem:
    key, what, own = str(path[-1]), _mapping(path, "a"), _fields(_model(path))
    assert isinstance(owner.value, dict)
    near = get_close_matches(_folded(key), [_folded(known) for known in own], n=1, cutoff=_NEAR)
    elsewhere = next((words for model, words in _BELONGS.items() if key in _fields(model)), "")
    value = owner.value[key].value
    if near:
        hint = f"did you mean {next(known for known in own if _folded(known) == near[0])}?"
    elif elsewhere:
        hint = f"{key} belongs {elsewhere}"
    elif _model(path) is SelectorModel and isinstance(value, str) and f"{key}{value}".isprintable():
        hint = f"write matchLabels: {{{key}: {value}}}"
    else:
        hint = f"the keys of {what} are {', '.join(own)}"
    return Problem(owner.keys[key], f"unknown key {key!r} in {what}", hint)


def _folded(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _wrong_item(node: Node, path: Path) -> Problem:
    key = str(path[-2])
    if node.value is None:
        return Problem(node.place, f"an item of {key} is empty", "write something after the -, or remove the -")
    if key in _MODELS:
        example = _written((_field(path[:-1]).examples or [[""]])[0][0])
        return Problem(node.place, f"an item of {key} is a mapping, and this is {_found(node)}", f"write {example}")
    if isinstance(node.value, str):
        sentence, hint = _ITEM_WORDS[key]
        return Problem(node.place, sentence.format(found=_found(node)), hint)
    if isinstance(node.value, dict) and _IPV6_HEAD.fullmatch(first := next(iter(node.value), "")):
        sentence = f"YAML reads {first}: as the key of a mapping, for it ends in a colon"
        return Problem(node.place, sentence, f'put it in quotes: "{first}:"')
    hint = "write one address in each item" if path[0] == "reservations" else _ITEMS[key]
    return Problem(node.place, f"an item of {key} is text, and this is {_found(node)}", hint)


def _wrong_label(node: Node, key: str, kind: str) -> Problem:
    shown = key if key.isprintable() else repr(key)
    if node.value is None:
        return Problem(node.place, f"the label {shown} has no value", 'write the value, or "" for an empty one')
    if isinstance(node.value, str):
        sentence, hint = _WORDS[kind]
        return Problem(node.place, sentence.format(found=_found(node)), hint)
    hint = "write one value, or use matchExpressions, which take several"
    return Problem(node.place, f"the value of a label is text, and this is {_found(node)}", hint)


def _wrong_value(node: Node, path: Path, kind: str) -> Problem:
    key, example = str(path[-1]), _example(path)
    if node.value is None:
        otherwise = "" if _field(path).is_required() else f", or remove {key}"
        return Problem(node.place, f"{key} has no value", f"write {key}: {example}{otherwise}")
    if kind == "literal_error" and not isinstance(node.value, str):
        kind = "string_type"
    sentence, hint = _WORDS.get(f"{key}:{kind}") or _WORDS[kind]
    text = node.value if isinstance(node.value, str) else ""
    words = {"key": key, "found": _found(node), "example": example, "near": _near_operator(text)}
    meant = _meant(kind, text)
    return Problem(node.place, sentence.format(**words), f"write {key}: {meant}" if meant else hint.format(**words))


def _near_operator(text: str) -> str:
    folded = _folded(text.replace(" ", ""))
    names = {name.lower(): name for name in _OPERATORS} | _OPERATORS_ELSEWHERE
    near = get_close_matches(folded, names, n=1, cutoff=_NEAR)
    return f"; did you mean {names[near[0]]}?" if near else ""


def _meant(kind: str, text: str) -> str:
    """The value that was probably meant, empty when nobody can tell."""
    if kind == "list_type":
        return f"[{text}]" if text and text.isprintable() else ""
    if kind == "model_type" and (label := _LABEL_OF_KUBECTL.fullmatch(text)):
        return f"{{matchLabels: {{{label[1]}: {label[2]}}}}}"
    if kind == "boolean":
        return "true" if text.lower() in _TRUE else "false" if text.lower() in _FALSE else ""
    if kind == "duration" and (number := re.fullmatch("([0-9]{1,6})(d?)", text)):
        return f"{int(number[1]) * 24}h" if number[2] else f"{text}s"
    return ""
