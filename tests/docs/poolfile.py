"""docs/pool-file.md: what a pool file can say, from the model that checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lbctl.poolschema import json_schema
from tests.docs.markdown import code, page, table
from tests.stage import stage

EXAMPLE = Path(__file__).parents[2] / "examples" / "pools" / "everything.yaml"
WRONG = """\
pools:
- name: lan
  addresses:
  - 192.0.2.220-192.0.2.200
  - 192.0.2.241/28
  - fd00::
  reuseafter: 60s
- name: lan
  addresses: [192.0.2.0/24]
"""


def pool_file_page() -> str:
    """The page."""
    schema = json_schema()
    models = schema["$defs"]
    return page(
        "The pool file",
        HEAD,
        "## Keys of the file",
        _keys(schema),
        "## Keys of a pool",
        _keys(models["PoolModel"]),
        RULES,
        "## Which Services a pool is for",
        SELECTORS,
        _keys(models["SelectorModel"]),
        "An item of `matchExpressions`:",
        _keys(models["ExpressionModel"]),
        "## Reservations",
        RESERVATIONS,
        _keys(models["ReservationModel"]),
        "## All of it",
        code(EXAMPLE.read_text(), "yaml"),
        "## When something is wrong",
        "All errors are told at once, each at its line and column, with what to write instead; the exit code is 3.",
        code(_errors(), "console"),
    )


def _keys(model: Mapping[str, Any]) -> str:
    required = set(model.get("required", ()))
    rows = [
        (f"`{key}`", _kind(value), "required" if key in required else _default(value), value["description"])
        for key, value in model["properties"].items()
    ]
    return table(("key", "value", "default", "what it does"), rows)


def _kind(value: Mapping[str, Any]) -> str:
    """The value in words, with an example."""
    example = json.dumps(value["examples"][0]).replace('"', "")
    return f"`{example}`" if len(example) < 40 else "a list, see below"


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    return "none" if default in (None, [], {}) else f"`{json.dumps(default)}`".replace('"', "")


def _errors() -> str:
    with stage(WRONG) as here:
        return f"$ lbctl pools check\n{here.run('pools', 'check').err}"


HEAD = """\
A pool file says which addresses lbctl may give to Services. It is a file of yours, in YAML; nothing of it is in the
cluster. `lbctl pools init` writes one to start from, `lbctl pools check` says everything that is wrong with one, and
`lbctl pools schema` prints its JSON Schema for editors.

It is looked for in this order, and the first that is found is used: `--pools`, `LBCTL_POOLS`, `./pools.yaml`,
`$XDG_CONFIG_HOME/lbctl/pools.yaml` (`~/.config` where that is unset), `/etc/lbctl/pools.yaml`.

Put addresses into it that are of the LAN of your nodes and that nothing else gives out: outside the range of the DHCP
server. Use the same file wherever you run lbctl."""

RULES = """\
An address is written plainly (`192.0.2.210`, `2001:db8::10`), as a range with both ends (`192.0.2.200-192.0.2.220`), or
as a CIDR without host bits (`192.0.2.240/28`). What ends in a colon needs quotes, or YAML takes the colon for its own:
`"2001:db8::"`. No two pools share an address. Durations are written as in Go: `24h`, `1h30m`, `60s`, `500ms`."""

SELECTORS = """\
`namespaces` and `namespaceSelector` are alternatives: a Service's namespace is in the one, or the other matches its
labels. `serviceSelector` must match the Service's own labels beside that. All three hold, too, for a Service that asks
for the pool or for one of its addresses. A pool that has none of them is for every Service.

A selector is Kubernetes' own: all of its labels and expressions must be true, so one that says nothing, `{}`, matches
everything."""

RESERVATIONS = """\
A reserved address goes to its Service and to no other. It is an address of a pool, which still has to be for that
Service."""
