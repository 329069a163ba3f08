"""Bodies in protobuf, which `kubectl create` sends for the kinds that it has generators for. Pure.

Only as much as that takes: the wire format is read into the JSON that any other client would have sent, by the field
numbers of the kinds that kubectl makes. Answers are JSON, which every client takes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from lbctl.ages import timestamp
from lbctl.sandbox.refusals import Object, bad_request
from lbctl.sandbox.schema import Many, Map, Scalar, Shape, Struct

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"  # what each such body begins with
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types

# Field numbers by message, as core/v1 and meta/v1 declare them.
NUMBERS: Mapping[str, Mapping[int, str]] = {
    "ConfigMap": {1: "metadata", 2: "data", 3: "binaryData", 4: "immutable"},
    "Namespace": {1: "metadata", 2: "spec"},
    "NamespaceSpec": {1: "finalizers"},
    "Service": {1: "metadata", 2: "spec"},
    "ServiceSpec": {
        1: "ports",
        2: "selector",
        3: "clusterIP",
        4: "type",
        5: "externalIPs",
        7: "sessionAffinity",
        8: "loadBalancerIP",
        9: "loadBalancerSourceRanges",
        10: "externalName",
        11: "externalTrafficPolicy",
        12: "healthCheckNodePort",
        13: "publishNotReadyAddresses",
        14: "sessionAffinityConfig",
        17: "ipFamilyPolicy",
        18: "clusterIPs",
        19: "ipFamilies",
        20: "allocateLoadBalancerNodePorts",
        21: "loadBalancerClass",
        22: "internalTrafficPolicy",
        23: "trafficDistribution",
    },
    "ServicePort": {1: "name", 2: "protocol", 3: "port", 4: "targetPort", 5: "nodePort", 6: "appProtocol"},
    "SessionAffinityConfig": {1: "clientIP"},
    "ClientIPConfig": {1: "timeoutSeconds"},
    "ObjectMeta": {
        1: "name",
        2: "generateName",
        3: "namespace",
        5: "uid",
        6: "resourceVersion",
        8: "creationTimestamp",
        11: "labels",
        12: "annotations",
        13: "ownerReferences",
        14: "finalizers",
    },
    "OwnerReference": {1: "kind", 3: "name", 4: "uid", 5: "apiVersion", 6: "controller", 7: "blockOwnerDeletion"},
}


def as_json(body: bytes, shape: Struct) -> bytes:
    """The same object as JSON. Raises Refusal (400)."""
    if not body.startswith(MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(_fields(body[len(MAGIC) :]))
        head = {number: value.decode() for number, value in _fields(envelope[1])}
        return json.dumps({"apiVersion": head[1], "kind": head[2], **_struct(shape, envelope[2])}).encode()
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as bad:
        raise bad_request(f"the protobuf message cannot be read: {bad!r}") from bad


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: an integer, or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(wire)
        if wire == BYTES:
            size, at = _varint(data, at)
        if size is None or at + size > len(data):
            raise ValueError(f"field {number} is cut short")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _struct(shape: Struct, data: bytes) -> Object:
    names = NUMBERS[shape.name]
    found: Object = {}
    for number, value in _fields(data):
        name = names.get(number)
        if name is None:
            continue  # what no generator of kubectl fills in
        inner = shape.fields[name]
        if isinstance(inner, Many):
            found.setdefault(name, []).append(_value(inner.items, value))
        elif isinstance(inner, Map):
            entry = dict(_fields(value))
            found.setdefault(name, {})[entry.get(1, b"").decode()] = _value(inner.values, entry.get(2, b""))
        else:
            found[name] = _value(inner, value)
    return found


def _value(shape: Shape, value: Any) -> Any:
    if isinstance(shape, Struct):
        return _struct(shape, value)
    match shape.name if isinstance(shape, Scalar) else "":
        case "bool":
            return bool(value)
        case "int32" | "int64":
            return value - (1 << 64) if value >> 63 else value
        case "IntOrString":
            parts = dict(_fields(value))
            return parts.get(3, b"").decode() if parts.get(1) else parts.get(2, 0)
        case "Time":
            seconds = dict(_fields(value)).get(1)
            return timestamp(seconds) if seconds else None
        case "bytes":
            return base64.b64encode(value).decode()
    return value.decode()
