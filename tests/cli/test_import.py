"""`pools import` between other programs: kubectl before it, a file or a pipe behind it."""

from __future__ import annotations

from pathlib import Path

from lbctl.pools import load_pools
from tests.cli.terminal import environment, run
from tests.cli.village import OTHERS


def _import(folder: Path, *words: str, stdin: str = "") -> tuple[str, str, int]:
    return run(environment(folder / "none"), "pools", "import", *words, stdin=stdin)


def _others(folder: Path) -> str:
    path = folder / "others.yaml"
    path.write_text(OTHERS)
    return str(path)


def test_what_kubectl_prints_goes_in_by_stdin_and_a_pool_file_comes_out(tmp_path: Path) -> None:
    """`kubectl get -o yaml | lbctl pools import - > pools.yaml`: stdout is the file, and nothing but the file."""
    out, said, code = _import(tmp_path, "-", stdin=OTHERS)
    path = tmp_path / "pools.yaml"
    path.write_text(out)
    assert [pool.name for pool in load_pools(str(path)).pools][:2] == ["lan", "lan-cilium"]
    assert said.startswith("stdin:1: IPAddressPool metallb-system/lan: ")
    assert code == 0


def test_a_file_is_written_once(tmp_path: Path) -> None:
    """-o makes a file, and never writes over one."""
    others, path = _others(tmp_path), tmp_path / "pools.yaml"
    assert _import(tmp_path, others, "-q", f"-o{path}") == ("", "", 0)
    written = path.read_text()
    said = f"error: {path} is there already\nhint: name another file with -o\n"
    assert _import(tmp_path, others, "-q", f"-o{path}") == ("", said, 1)
    assert path.read_text() == written


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The operating system's word in a sentence."""
    path = tmp_path / "nowhere" / "pools.yaml"
    said = f"error: {path} cannot be written: No such file or directory\nhint: name another file with -o\n"
    assert _import(tmp_path, _others(tmp_path), "-q", f"-o{path}") == ("", said, 1)


def test_a_file_and_the_cluster_are_two_places(tmp_path: Path) -> None:
    """One of them, not both."""
    assert _import(tmp_path, _others(tmp_path), "--from-cluster") == (
        "",
        "error: say where to import from: a file, or --from-cluster\n"
        "hint: lbctl pools import FILE, lbctl pools import -, or lbctl pools import --from-cluster\n",
        2,
    )
