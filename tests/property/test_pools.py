"""No text whatsoever, as a pool file, gives anything but pools or sentences with places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbctl import yamltext
from lbctl.pools import PoolFileInvalid, load_pools

VALID = (Path(__file__).parents[2] / "examples/pools/everything.yaml").read_text()
LINES = [line for line in VALID.splitlines() if line.strip() and not line.startswith("#")]
# What upsets YAML and the rules most: indicators, other line ends, other scripts, and pieces of what is right.
PIECES = [*"-:?,[]{}#&*!|>'\"%@`\\\t\r\n\x00\x07\x85\u2028\ufeff\u5bb6 ", "<<:", "---\n", "...", "!!str ", "&a ", "*a"]
PIECES += [
    "::",
    "fd00::",
    "- ",
    "\n- ",
    "\n  ",
    "null",
    "~",
    "192.0.2.5",
    "0.0.0.0/0",
    "/24",
    "60",
    "yes",
    "name: lan\n",
]


def examples(count: int) -> settings:
    """So many of them, the same in every run."""
    quiet = [HealthCheck.function_scoped_fixture]
    return settings(derandomize=True, max_examples=count, deadline=None, suppress_health_check=quiet)


few = examples(1_000)


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A right file with pieces cut out, doubled and put in."""
    text = "\n".join(LINES)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 30, len(text))))
        piece = draw(st.sampled_from(PIECES) | st.sampled_from(LINES))
        text = text[:start] + draw(st.sampled_from(["", piece, text[start:end] + piece])) + text[end:]
    return text


def check(path: Path, data: bytes) -> None:
    """Load it; every problem must lie within the file and say something."""
    path.write_bytes(data)
    lines = yamltext.read(data).lines
    refused: PoolFileInvalid | None = None
    try:
        assert load_pools(str(path)).pools
    except PoolFileInvalid as error:
        refused = error
    assert refused is None or refused.problems
    assert refused is None or not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", refused.message)
    for problem in refused.problems if refused else ():
        assert 1 <= problem.place.line <= len(lines)
        assert 1 <= problem.place.column <= len(lines[problem.place.line - 1]) + 1
        assert problem.sentence
        assert problem.hint


@few
@given(mutants())
def test_a_mutant_is_read_or_refused_at_a_place(tmp_path: Path, text: str) -> None:
    """A slip of the hand never ends in a traceback, and never points outside the file."""
    check(tmp_path / "pools.yaml", text.encode("utf-8", "surrogatepass"))


@few
@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused_at_a_place(tmp_path: Path, data: bytes) -> None:
    """A file that is no text at all is refused at the first byte that shows it."""
    check(tmp_path / "pools.yaml", data)


@few
@given(mutants())
def test_without_libyaml_a_mutant_is_read_or_refused_too(tmp_path: Path, text: str) -> None:
    """PyYAML's other parser fails in its own words, but at a place too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yamltext, "LOADER", yaml.SafeLoader)
        check(tmp_path / "pools.yaml", text.encode("utf-8", "surrogatepass"))


@pytest.mark.long
@examples(20_000)
@given(mutants())
def test_many_mutants_are_read_or_refused_at_a_place(tmp_path: Path, text: str) -> None:
    """The same, further afield."""
    check(tmp_path / "pools.yaml", text.encode("utf-8", "surrogatepass"))
