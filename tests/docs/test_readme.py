"""README.md as a newcomer follows it: every line that can run on a sandbox is run there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.stage import stage

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _lines(heading: str) -> list[str]:
    """The commands of the blocks under a heading, without comments."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    fenced = re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)
    indented = ["\n".join(re.findall(r"^    (\S.*)$", section, re.M))]
    lines = "\n".join(fenced or indented).splitlines()
    return [line.partition(" #")[0].strip() for line in lines]


def test_on_your_own_cluster() -> None:
    """Five lines, from nothing to an address; each says what README says it does."""
    lines = _lines("On your own cluster")
    assert len(lines) == 5
    with stage() as here:
        (here.folder / "pools.yaml").unlink()
        here.service("web")
        said = {line: here.run(*line.split()[1:]) for line in lines}
        assert [line for line, done in said.items() if done.code] == []
        assert "<pending>" in said["lbctl list"].out
        assert "lbctl pools init" in said["lbctl list"].out
        assert said["lbctl assign --all --dry-run"].out == "default/web 192.0.2.200 (Assigned) (dry run)\n"
        assert said["lbctl assign --all"].out == "default/web 192.0.2.200 (Assigned)\n"
        for words in (["explain", "default/web"], ["claims", "list"], ["release", "default/web"]):
            assert f"lbctl {words[0]}" in README
            assert here.run(*words).code == 0
        assert here.shown("web") == []


def test_what_a_service_can_ask_for() -> None:
    """Each row of the table does what it says."""
    with stage() as here:
        here.service("exact", notes={"lbctl/addresses": "192.0.2.210"})
        here.service("field", loadBalancerIP="192.0.2.211")
        here.service("outside", notes={"lbctl/addresses": "198.51.100.1"})
        here.service("pool", notes={"lbctl/pool": "public"})
        here.service("both", families=("IPv4", "IPv6"), policy="RequireDualStack")
        here.service("class", loadBalancerClass="example.com/lan")
        here.service("ignored", notes={"lbctl/ignore": "true"})
        here.service("change-over", notes={"metallb.io/loadBalancerIPs": "192.0.2.212"})
        said = here.run("assign", "--all")
        assert "default/outside: AddressOutsidePools" in said.err
        names = ("exact", "field", "outside", "pool", "both", "class", "ignored", "change-over")
        assert {name: here.shown(name) for name in names} == {
            "exact": ["192.0.2.210"],
            "field": ["192.0.2.211"],
            "outside": [],
            "pool": ["203.0.113.16"],
            "both": ["192.0.2.200", "2001:db8::10"],
            "class": [],
            "ignored": [],
            "change-over": ["192.0.2.212"],
        }


def test_the_targets_of_make() -> None:
    """Every `make` line is one of the Makefile's."""
    for heading in ("Get it", "See it"):
        for line in _lines(heading):
            if line.startswith("make "):
                subprocess.run(["make", "-n", line.split()[1]], cwd=ROOT, check=True, capture_output=True)


def test_it_is_short() -> None:
    """A newcomer reads it to the end."""
    assert len(README.splitlines()) < 90
