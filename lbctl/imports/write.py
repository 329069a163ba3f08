"""The text of a pool file from pools, with the remarks about each above it as comments."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence

from lbctl.imports.values import Chosen, Draft
from lbctl.selectors import Operator, Requirement

WIDTH = 110  # columns of a comment
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*", re.ASCII)
# What some reader of YAML takes for something else than text: booleans, nulls, numbers.
_TYPED = re.compile(
    r"(?i:true|false|yes|no|on|off|y|n|null)|[0-9_]*\.?[0-9_]+([eE][0-9]+)?|0[xob][0-9a-fA-F_]+|[0-9]{4}-.*", re.ASCII
)
_SHARING = (
    "Services of several namespaces share an address only in a pool with shareAcrossNamespaces: true; in {} their "
    "annotations are enough."
)
_SHARERS = ("MetalLB", "Cilium")


def pool_file(pools: Sequence[Draft]) -> str:
    """The whole file."""
    systems = list(dict.fromkeys(pool.system for pool in pools))
    sharers = [system for system in systems if system in _SHARERS]
    lines = [
        *_comment(
            f"Imported from {_and(systems)} by lbctl pools import. Read the comments, then run: lbctl pools check"
        ),
        *(_comment(_SHARING.format(_and(sharers))) if sharers else ()),
        "pools:",
    ]
    for pool in pools:
        lines += ["", *_pool(pool)]
    return "\n".join(lines) + "\n"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)]


def _pool(pool: Draft) -> Iterator[str]:
    yield from _comment(f"{pool.system}: {pool.about.found.label}")
    for remark in pool.about.remarks:
        yield from _comment(remark.said)
    yield f"- name: {_scalar(pool.name)}"
    yield "  addresses:"
    yield from (f"  - {_scalar(part.text)}" for part in pool.parts)
    if pool.exclude:
        yield "  exclude:"
        yield from (f"  - {_scalar(str(hole))}" for hole in pool.exclude)
    if pool.avoid_buggy_ips:
        yield "  avoidBuggyIPs: true"
    if not pool.auto_assign:
        yield "  autoAssign: false"
    if pool.priority is not None:
        yield f"  priority: {pool.priority}"
    if pool.namespaces:
        yield f"  namespaces: {_list(pool.namespaces)}"
    yield from _selector("namespaceSelector", pool.namespace_selector)
    yield from _selector("serviceSelector", pool.service_selector)
    if pool.disabled:
        yield "  disabled: true"


def _selector(key: str, chosen: Chosen | None) -> Iterator[str]:
    """matchLabels where that says it, matchExpressions for the rest."""
    if chosen is None:
        return
    if not chosen:
        yield f"  {key}: {{}}"
        return
    labels: dict[str, Requirement] = {}
    others: list[Requirement] = []
    for one in chosen:
        single = one.operator is Operator.IN and len(one.values) == 1 and one.key not in labels
        if single:
            labels[one.key] = one
        else:
            others.append(one)
    yield f"  {key}:"
    if labels:
        yield "    matchLabels:"
        yield from (f"      {_scalar(one.key)}: {_scalar(one.values[0])}" for one in labels.values())
    if others:
        yield "    matchExpressions:"
        yield from (f"    - {_expression(one)}" for one in others)


def _expression(one: Requirement) -> str:
    values = f", values: {_list(one.values)}" if one.values else ""
    return f"{{key: {_scalar(one.key)}, operator: {one.operator}{values}}}"


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_scalar, values))}]"


def _scalar(text: str) -> str:
    """Text as every reader of YAML takes it for text."""
    if _PLAIN.fullmatch(text) and not _TYPED.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=False)
