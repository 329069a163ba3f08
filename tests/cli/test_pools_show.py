"""lbctl pools show at a terminal, and away from one."""

from __future__ import annotations

from tests.cli.conftest import Desk


def test_a_pool_is_drawn_on_a_terminal(desk: Desk) -> None:
    """Within 80 columns, in colour where it is wanted; a pipe gets the tables alone."""
    desk.create("web")
    desk.run("assign", "web")
    cells = " " * 8 + "#" + "." * 20
    plain, code = desk.at_terminal("pools", "show", "lan", NO_COLOR="1")
    assert code == 0
    assert f"\n\n192.0.2.192  {cells}\n# held  ~ lingering" in plain
    assert f"\n\n2001:db8::  {' ' * 16}{'.' * 16}\n# held" in plain
    assert "\x1b[1m#\x1b[0m" in desk.at_terminal("pools", "show", "lan")[0]
    assert "~ lingering" not in desk.run("pools", "show", "lan")[0]
