"""Answers that get lost and refusals that pass: the run itself or the next one finishes (promise 4).

No write is ever repeated as it was (DESIGN 5): each test counts what went by.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.crashes import Run, run_through
from tests.testbed.driver import SERVICES, Bed, service
from tests.testbed.proxy import Cut, Instead, Rule, When

pytestmark = pytest.mark.cluster

CLAIMS = "/namespaces/lbctl-system/configmaps"
LOOK = ["GET", "GET", "GET"]
DONE = "default/web 192.0.2.1 (Assigned)\n"


def _assign(bed: Bed, folder: Path, *rules: Rule) -> Run:
    """Assign one pending Service through the proxy."""
    status, answer = bed.admin.request("POST", SERVICES, service("web"))
    assert status == 201, answer
    return run_through(bed, folder, _words(folder), rules)


def _words(folder: Path) -> tuple[str, ...]:
    pools = folder / "pools.yaml"
    pools.write_text("pools:\n- {name: p, addresses: [192.0.2.1-192.0.2.9]}\n")
    return "assign", "default/web", f"--pools={pools}"


@pytest.mark.parametrize(
    ("rule", "methods"),
    [
        pytest.param(
            Rule(Cut(When.AFTER), method="POST"), [*LOOK, "POST", "GET", "PATCH"], id="claim written, answer lost"
        ),
        pytest.param(
            Rule(Cut(When.AFTER), method="PATCH"), [*LOOK, "POST", "PATCH", *LOOK], id="status patched, answer lost"
        ),
        pytest.param(
            Rule(Instead(429, "TooManyRequests", retry_after=1), method="POST"),
            [*LOOK, "POST", *LOOK, "POST", "PATCH"],
            id="429 on the claim",
        ),
        pytest.param(
            Rule(Instead(429, "TooManyRequests", retry_after=1), method="PATCH"),
            [*LOOK, "POST", "PATCH", *LOOK, "PUT", "PATCH"],
            id="429 on the status",
        ),
        pytest.param(
            Rule(Instead(409, "AlreadyExists"), method="POST"),
            [*LOOK, "POST", *LOOK, "POST", "PATCH"],
            id="409 on the claim",
        ),
        pytest.param(
            Rule(Instead(409, "Conflict"), method="PATCH", times=5),
            [*LOOK, "POST", "PATCH", *[*LOOK, "PUT", "PATCH"] * 5],
            id="five 409 on the status",
        ),
    ],
)
def test_one_run_gets_over_it(bed: Bed, tmp_path: Path, rule: Rule, methods: list[str]) -> None:
    """What may have landed is looked for, what was turned away is planned again from a fresh look; one address."""
    run = _assign(bed, tmp_path, rule)
    assert (run.out, run.err, run.code) == (DONE, "", 0)
    assert [call.partition(" ")[0] for call in run.calls] == methods
    assert bed.shown() == bed.held() == {"web": ["192.0.2.1"]}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        pytest.param(
            Rule(Instead(500), method="PATCH"),
            "error: http://proxy failed to patch services/status in namespace default (500: the fault proxy says so)\n"
            "hint: try again in a moment\n",
            id="500 on the status",
        ),
        pytest.param(
            Rule(Instead(500), method="POST"),
            "error: http://proxy failed to create configmaps in namespace lbctl-system (500: the fault proxy says so)\n"
            "hint: try again in a moment\n",
            id="500 on the claim",
        ),
        pytest.param(
            Rule(Cut(When.BEFORE), method="POST"),
            "error: the connection to the API server at http://proxy broke off before the answer was whole\n"
            "hint: try again; if it stays so, look at the API server's log and at proxies in between\n",
            id="claim never arrived",
        ),
    ],
)
def test_the_next_run_finishes(bed: Bed, tmp_path: Path, rule: Rule, said: str) -> None:
    """One sentence, one hint, exit 4; then one address, the first, so nothing was leaked."""
    run = _assign(bed, tmp_path, rule)
    assert (run.out, run.err, run.code) == ("", said, 4)
    assert bed.run(*_words(tmp_path)) == (DONE, "", 0)
    assert bed.shown() == bed.held() == {"web": ["192.0.2.1"]}


@pytest.mark.parametrize("flags", [(), ("--now",)], ids=["park", "now"])
def test_a_release_gets_over_a_lost_answer_and_may_be_said_again(
    bed: Bed, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    """The write that lets go of the claim has landed: the run sees that, and a second run says the same."""
    assert _assign(bed, tmp_path).code == 0
    words, done = ("release", "default/web", *flags), "default/web 192.0.2.1 (Released)\n"
    run = run_through(bed, tmp_path, words, [Rule(Cut(When.AFTER), method="PUT")])
    assert (run.out, run.err, run.code) == (done, "", 0)
    assert bed.run(*words) == (done, "", 0)
    assert (bed.shown(), bed.held()) == ({"web": []}, {})


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Instead(403, "Forbidden"), "error: you may not patch services/status in namespace default at http://proxy"),
        (Instead(500), "error: http://proxy failed to patch services/status in namespace default"),
    ],
)
def test_a_status_that_is_not_taken_keeps_nobody_else_from_an_address(
    bed: Bed, tmp_path: Path, fault: Instead, said: str
) -> None:
    """A policy or a webhook that refuses one Service is told in the end, exit code 4; all others are done by then."""
    names = [f"s{n}" for n in range(8)]
    for name in names:
        bed.admin.request("POST", SERVICES, service(name))
    _, _, pools = _words(tmp_path)
    run = run_through(bed, tmp_path, ("assign", "--all", pools), (Rule(fault, path="/services/s3/", times=None),))
    assert (run.err.startswith(said), run.code) == (True, 4), run.err
    shown = bed.shown()
    assert [name for name in names if not shown[name]] == ["s3"]
    assert bed.run("assign", "--all", "--wait=20s", pools)[1:] == ("", 0)
    assert bed.shown() == bed.held()
