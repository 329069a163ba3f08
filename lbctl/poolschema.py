"""The keys of a pool file and their types: one declaration, from which the checks and the JSON Schema come.

pydantic does the checking, and says where and of which kind each error is; what a user reads of it stands in poolwords.
Every scalar arrives as text. What keys and types cannot tell (overlaps, exclusions, reservations) stands in poolrules.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, LiteralString

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from lbctl.durations import DurationError, parse_duration
from lbctl.yamltext import Node

Path = tuple[str | int, ...]  # keys and indices from the root of a file to one of its nodes

_NULL = object()  # stands for a null, which no key takes: a line without a value is a slip
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,8})", re.ASCII)  # without the forms that YAML 1.1 and 1.2 read differently
_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = f"^{_LABEL}$"  # a DNS label, as Kubernetes names a Service and a namespace
_SERVICE = f"^{_LABEL}/{_LABEL}$"
# What Kubernetes takes in labels: IsLabelKey and IsLabelValue of k8s.io/apimachinery, pkg/api/validate/content.
_WORD = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_VALUE = f"^({_WORD})?$"
_LABEL_KEY = rf"^({_PART}(\.{_PART})*/)?{_WORD}$"
_INTERFACE = r"^[^\s/:]{1,15}$"  # what Linux takes (dev_valid_name)
_PREFIX_LENGTH = 253  # of a whole DNS name, which a label's key may have before its slash


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


def _label_key(text: str) -> str:
    if not re.fullmatch(_LABEL_KEY, text) or len(text.rpartition("/")[0]) > _PREFIX_LENGTH:
        raise PydanticCustomError("label_key", "no key of a label")
    return text


def _label_value(text: str) -> str:
    if not re.fullmatch(_LABEL_VALUE, text):
        raise PydanticCustomError("label_value", "no value of a label")
    return text


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Integer = Annotated[int, BeforeValidator(_integer)]
Duration = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string"})]
LabelKey = Annotated[str, AfterValidator(_label_key), WithJsonSchema({"type": "string", "pattern": _LABEL_KEY})]
LabelValue = Annotated[str, AfterValidator(_label_value), WithJsonSchema({"type": "string", "pattern": _LABEL_VALUE})]
Namespace = Annotated[str, Field(pattern=_NAME)]
InterfaceName = Annotated[str, Field(pattern=_INTERFACE)]

_DURATIONS: dict[str, LiteralString] = {"form": "duration", "negative": "negative_duration", "long": "long_duration"}
_POOL = {"name": "lan", "addresses": ["192.0.2.200-192.0.2.220"]}
_EXPRESSION = {"key": "tier", "operator": "In", "values": ["front", "back"]}
_RESERVATION = {"service": "prod/web", "addresses": ["192.0.2.205"]}


class ExpressionModel(BaseModel):
    """One item of `matchExpressions`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    key: LabelKey = Field(examples=["tier"], description="the key of the label")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        examples=["In"],
        description="the label has one of the values, has none of them or is missing, is there, is missing",
    )
    values: list[LabelValue] = Field(
        [], examples=[["front", "back"]], description="for In and NotIn, and only for those; at least one"
    )


class SelectorModel(BaseModel):
    """A label selector, as Kubernetes has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    match_labels: dict[LabelKey, LabelValue] = Field(
        {},
        alias="matchLabels",
        examples=[{"app": "web"}],
        description="labels that must be there, each with just this value",
    )
    match_expressions: list[ExpressionModel] = Field(
        [], alias="matchExpressions", examples=[[_EXPRESSION]], description="more that must be true of the labels"
    )


class PoolModel(BaseModel):
    """One item of `pools`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

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
    namespaces: list[Namespace] | None = Field(
        None,
        min_length=1,
        examples=[["prod"]],
        description="only for Services in these namespaces, and in those that namespaceSelector matches",
    )
    namespace_selector: SelectorModel | None = Field(
        None,
        alias="namespaceSelector",
        examples=[{"matchLabels": {"env": "prod"}}],
        description="only for Services in namespaces with these labels, and in those that namespaces names; "
        "{} matches every namespace",
    )
    service_selector: SelectorModel | None = Field(
        None,
        alias="serviceSelector",
        examples=[{"matchLabels": {"app": "web"}}],
        description="only for Services with these labels; {} matches every Service",
    )
    share_across_namespaces: Boolean = Field(
        False,
        alias="shareAcrossNamespaces",
        examples=[True],
        description="true: Services that share an address may be of several namespaces",
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
    disabled: Boolean = Field(
        False,
        examples=[True],
        description="true: Services keep what they have of the pool, and no more of it is given out",
    )
    interfaces: list[InterfaceName] | None = Field(
        None,
        min_length=1,
        examples=[["eth0"]],
        description="announced on these interfaces of a node; unset: on each whose subnet holds the address",
    )
    node_selector: SelectorModel | None = Field(
        None,
        alias="nodeSelector",
        examples=[{"matchLabels": {"zone": "a"}}],
        description="announced only by nodes with these labels; {} matches every node",
    )
    on_conflict: Literal["defend", "yield"] = Field(
        "defend",
        alias="onConflict",
        examples=["yield"],
        description="when a machine that is no announcer claims an address that is announced: go on and say so on the "
        "LAN, or stop until it is silent",
    )


class ReservationModel(BaseModel):
    """One item of `reservations`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    service: str = Field(pattern=_SERVICE, examples=["prod/web"], description="the Service, as NAMESPACE/NAME")
    addresses: list[str] = Field(
        min_length=1,
        examples=[["192.0.2.205"]],
        description="what it gets, and no other Service: addresses of pools, at most one a family",
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
    reservations: list[ReservationModel] = Field(
        [], examples=[[_RESERVATION]], description="addresses kept for one Service each, also while it is not there"
    )


def json_schema() -> dict[str, Any]:
    """The form as JSON Schema (2020-12), for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **PoolFileModel.model_json_schema(),
        "title": "pool file of lbctl",
        "description": "Which addresses lbctl may give to Services of type LoadBalancer.",
    }


def check(root: Node) -> tuple[PoolFileModel | None, list[tuple[Path, str]]]:
    """The file as the model has it; or None, and where what kind of error is, for poolwords."""
    try:
        return PoolFileModel.model_validate(_plain(root)), []
    except ValidationError as bad:
        errors = bad.errors(include_url=False, include_context=False, include_input=False)
        return None, [(error["loc"], error["type"]) for error in errors]


def _plain(node: Node) -> Any:
    value = node.value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return _NULL if value is None else value
