"""The Python API as a type checker sees it from outside: it is typed, right calls pass, wrong ones do not."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from mypy import api as mypy

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "examples" / "scripts").glob("*.py"))
HEAD = "from lbctl.api import Key, apply, connect, load_pools, plan\n\ncluster, pools = connect(), load_pools('p')\n"
WRONG = {
    "plan(cluster, pools)": 'Argument 1 to "plan" has incompatible type "Cluster"; expected "Snapshot"',
    "plan(cluster.snapshot(), 'pools.yaml')": 'Argument 2 to "plan" has incompatible type "str"; expected "PoolFile"',
    "plan(cluster.snapshot(), pools, [7])": 'List item 0 has incompatible type "int"',
    "plan(cluster.snapshot(), pools, lambda s: s.nmae == '')": '"Service" has no attribute "nmae"',
    "apply(plan(cluster.snapshot(), pools))": 'Missing positional argument "plan" in call to "apply"',
    "apply(cluster, plan(cluster.snapshot(), pools)).decisions": 'has no attribute "decisions"',
    "cluster.snapshot().now = 7": 'Property "now" defined in "Snapshot" is read-only',
    "connect(timeout=3)": 'Unexpected keyword argument "timeout" for "connect"',
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy --strict says of the right script and of all the wrong calls, a file each."""
    folder, files = tmp_path_factory.mktemp("wrong"), [Path(__file__).with_name("script.py"), *SCRIPTS]
    for number, call in enumerate(WRONG):
        files.append(folder / f"wrong{number}.py")
        files[-1].write_text(HEAD + call + "\n")
    # A cache of its own, because its options are not those of the project and would throw the project's away.
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'outside'}"
    out, err, _ = mypy.run(["--strict", "--config-file=", cache, "--no-error-summary", *map(str, files)])
    assert not err, err
    return out.splitlines()


def test_the_promised_types(said: list[str]) -> None:
    """Every form of every argument passes, every value has the type that is promised; so do the admin scripts."""
    assert [line for line in said if "wrong" not in line] == []


@pytest.mark.parametrize("call", WRONG)
def test_a_wrong_call_is_caught_before_it_runs(said: list[str], call: str) -> None:
    """mypy names it."""
    number = list(WRONG).index(call)
    lines = [line for line in said if f"wrong{number}.py" in line]
    assert any(WRONG[call] in line for line in lines), lines


def test_the_wheel_says_that_it_is_typed(tmp_path: Path) -> None:
    """PEP 561: without py.typed a type checker takes everything in an installed package for Any."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("lbctl-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"lbctl/py.typed", "lbctl/api.py"} <= set(names)
    assert not any(name.startswith("tests") for name in names)
