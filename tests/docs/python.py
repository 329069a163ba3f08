"""docs/python.md: the Python API, from its docstrings, and the admin scripts with what they print on a sandbox."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from lbctl import api
from tests.docs.markdown import code, doc, page, table
from tests.stage import DAY, HOUR, Stage, stage

SCRIPTS = Path(__file__).parents[2] / "examples" / "scripts"
RUNS = {
    "pending_for_over_an_hour.py": "",
    "reserve_next_free.py": "public default/web",
    "addresses_csv.py": "",
}


def python_page() -> str:
    """The page."""
    parts = [doc(api), FIELDS, "## Functions"]
    functions = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]
    for name in ("connect", "load_pools", "plan", "apply"):
        parts += [f"### {name}", code(_signature(name, getattr(api, name)), "python"), doc(getattr(api, name))]
    assert sorted(functions) == sorted(("connect", "load_pools", "plan", "apply")), functions
    parts += ["### Cluster", doc(api.Cluster), "#### Cluster.snapshot()", doc(api.Cluster.snapshot)]
    parts += ["#### Cluster.namespace", doc(api.Cluster.namespace)]
    others = [name for name in api.__all__ if name not in (*functions, "Cluster")]
    parts += ["## Values and errors", VALUES, table(("name", "what it is"), [(f"`{n}`", _what(n)) for n in others])]
    return page("lbctl from Python", *parts, "## Scripts", SCRIPTS_TEXT, *_scripts())


def _signature(name: str, function: Any) -> str:
    text = str(inspect.signature(function)).replace("'", "")
    return f"{name}{text}"


def _what(name: str) -> str:
    """In a sentence."""
    return WHAT.get(name) or re.split(r"(?<=\.)\s", doc(getattr(api, name)))[0]


def _scripts() -> list[str]:
    parts = []
    for name, words in RUNS.items():
        with stage() as here:
            _village(here)
            said = _run(here, name, words)
        title = (SCRIPTS / name).read_text().split('"""')[1].partition("\n")[0]
        parts += [
            f"[{name}](../examples/scripts/{name}): {title}",
            code(f"$ {name} {words}".rstrip() + f"\n{said}", "console"),
        ]
    return parts


def _village(here: Stage) -> None:
    here.service("web", ago=3 * HOUR)
    here.service("outside", ago=2 * DAY, notes={"lbctl/addresses": "198.51.100.7"})
    here.service("dual", ago=HOUR, families=("IPv4", "IPv6"), policy="RequireDualStack")
    here.service("foreign")
    here.run("assign", "dual")
    here.status("foreign", {"ip": "192.0.2.211"})


def _run(here: Stage, name: str, words: str) -> str:
    command = [sys.executable, str(SCRIPTS / name), *words.split()]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return here.plain(done.stdout + done.stderr)


WHAT = {
    "Action": f"What a Decision does: {', '.join(f'`{action.name}`' for action in api.Action)}.",
    "Address": "`ipaddress.IPv4Address` or `ipaddress.IPv6Address`",
    "Claim": "Who holds an address, or held it last: `address`, `state` (held, parked, released), `holders`, `last`, "
    "`pool`, `since` (seconds since the epoch), `by`.",
    "Decision": "What happens to one Service: the table above.",
    "LbctlError": "The root of all errors: `message`, `hint`, and perhaps a `reason`; `exit_code` is what the command "
    "line would end with.",
    "Plan": "What plan() decided: `decisions`.",
    "Reason": "Why: `name`, `sentence`, `hint`.",
    "Select": 'What `select` may be: names ("namespace/name" or `Key`), a predicate on `Service`, or None.',
    "Service": "One Service as the API showed it: `key`, `uid`, `created`, `is_load_balancer`, `class_name`, `ports`, "
    "`pending`, `status` (addresses), `foreign_status` (what else stands there, such as host names), `cluster_ip`, and "
    "`ask`, which as text says what it asks for.",
    "Snapshot": "The cluster as one look saw it: `services`, `claims`, `now`.",
}

FIELDS = """\
A `Snapshot` has `services` (`Key` to `Service`), `claims` and `now`. A `Plan` has `decisions`. What a `Decision` says:

| field | what it says |
| --- | --- |
| `service` | the `Service` as the snapshot showed it |
| `action` | what is done, or would be |
| `writes`, `satisfied` | whether that changes anything; whether the Service has, or will have, what it asks for |
| `addresses` | what its status shows afterwards |
| `claims` | the addresses it is given, each with the name of its pool |
| `drops` | the addresses it no longer holds afterwards |
| `reason`, `sentence`, `hint` | why, in a word ([reasons.md](reasons.md)) and in words, and what to do |"""

VALUES = """\
All values are frozen. A field that begins with an underscore, and one that stands neither here nor in
[tests/typing/script.py](../tests/typing/script.py), is not promised."""

SCRIPTS_TEXT = """\
Three whole programs of at most 60 lines, to read, to run and to copy from. Run them with the Python that lbctl is
installed in."""
