"""The pages in docs/ are as the code makes them, they name every command and flag, and no link leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbctl.reasons import Reason
from tests.docs.commands import COMMON, commands, flag_text
from tests.docs.pages import pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEXTS = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The pages, made now."""
    return pages()


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_a_page_is_not_stale(made: dict[str, str], name: str) -> None:
    """`make docs` would change nothing."""
    assert made[name] == (DOCS / name).read_text(), "run make docs"


def test_every_page_is_there(made: dict[str, str]) -> None:
    """None is missing, and none is left over."""
    assert set(made) == {path.name for path in DOCS.glob("*.md")}


def _section(title: str) -> str:
    text = (DOCS / "commands.md").read_text()
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert match, f"docs/commands.md has no section {title}"
    return match[1]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.words)
def test_every_command_and_flag_is_documented(command: object) -> None:
    """The real command line has nothing that docs/commands.md does not name, with its environment variable."""
    from tests.docs.commands import Command

    assert isinstance(command, Command)
    section = _section(f"lbctl {command.words}")
    assert command.usage in section
    for flag in command.flags:
        shared = command.asks_a_cluster and flag.name in COMMON
        where = _section("Common flags") if shared else section
        assert f"| {flag_text(flag).replace('|', chr(92) + '|')} | " in where, flag.name
        assert flag.help, f"{flag.name} has no help"
        assert not flag.envvar or f"`{flag.envvar}`" in where
    assert not command.asks_a_cluster or "(#common-flags)" in section


def test_every_reason_is_documented() -> None:
    """Those that are given, in the table; those that are not yet, as such."""
    text = (DOCS / "reasons.md").read_text()
    assert [reason.name for reason in Reason if f"`{reason.name}`" not in text] == []


def _commands_named(text: str) -> Iterator[str]:
    """Whatever is written as a command of lbctl: in code, at a prompt, in a hint."""
    for match in re.finditer(r"(?:`|\$ |^    |hint: |; )lbctl ((?:[a-z][a-z-]+ ?)+)", text, re.M):
        yield match[1].strip()


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_page_names_a_command_that_there_is_not(path: Path) -> None:
    """What is not built yet is not promised."""
    known = {command.words for command in commands()}
    groups = {words.split()[0] for words in known}
    for words in _commands_named(path.read_text()):
        first, *rest = words.split()
        assert first in groups, words
        assert first in known or not rest or f"{first} {rest[0]}" in known, words


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_no_hint_names_a_command_that_there_is_not(reason: Reason) -> None:
    """Advice that cannot be taken is none."""
    known = {command.words for command in commands()}
    for words in re.findall(r"(?:^|, |or )lbctl ((?:[a-z]+ ?)+)", reason.hint):
        assert any(words.startswith(command) for command in known), reason.hint


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_link_leads_nowhere(path: Path) -> None:
    """Files are there, and headings too."""
    text = path.read_text()
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall("^#+ (.*)", text, re.M)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        assert not name or (path.parent / name).exists(), target
        assert name or anchor in anchors, target


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_only_addresses_for_documentation(path: Path) -> None:
    """RFC 5737 and RFC 3849, the cluster's own, and loopback."""
    text = path.read_text()
    for address in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text):
        assert re.match(r"(192\.0\.2|198\.51\.100|203\.0\.113|10\.96\.0|127\.0\.0)\.", address), address
