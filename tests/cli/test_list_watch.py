"""lbctl list -w: the list, and then each Service again whenever its line changes; and serve's line at a terminal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cli.conftest import Desk
from tests.cli.terminal import LBCTL, at_terminal, environment
from tests.testbed.driver import SERVICES, until

SOON = 20.0
SERVE = ("serve", "--listen=off", "--no-leader-elect")


class Following:
    """One `lbctl list -w`, and the lines it has printed."""

    def __init__(self, desk: Desk, *words: str) -> None:
        env = environment(desk.kubeconfig, desk.pools)
        pipe = subprocess.PIPE
        self.child = subprocess.Popen([LBCTL, "list", "-w", *words], env=env, stdout=pipe, stderr=pipe, text=True)
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        for line in self.child.stdout or ():
            self.lines.append(line.rstrip("\n"))

    def waits(self, *parts: str) -> str:
        """Wait for a line that has all these parts; the line."""

        def found() -> list[str]:
            return [line for line in self.lines if all(part in line for part in parts)]

        until(lambda: bool(found()), f"a line with {parts}", seconds=SOON)
        return found()[0]

    def end(self, number: int) -> tuple[str, int]:
        """End it by a signal: stderr and exit code."""
        self.child.send_signal(number)
        assert self.child.stderr is not None
        said = self.child.stderr.read()
        code = self.child.wait(SOON)
        self._thread.join()
        return said, code


@contextmanager
def following(desk: Desk, *words: str) -> Iterator[Following]:
    """It does not outlive the test."""
    one = Following(desk, *words)
    try:
        yield one
    finally:
        one.child.kill()
        one.child.wait()
        for stream in (one.child.stdout, one.child.stderr):
            assert stream is not None
            stream.close()


def test_each_line_comes_again_when_it_changes(desk: Desk) -> None:
    """A Service comes, gets its address and is no longer shown, another is deleted; a change that does not show in the
    line prints nothing."""
    desk.create("early")
    with following(desk) as watch:
        watch.waits("default", "early", "<pending>", "192.0.2.200 of pool lan is free for it")
        desk.create("late")
        watch.waits("late", "<pending>", "192.0.2.201 of pool lan is free for it")
        desk.run("assign", "early")
        watch.waits("early", "192.0.2.200", "it has the addresses it asks for")
        desk.api.request("PATCH", f"{SERVICES}/late", {"metadata": {"labels": {"a": "b"}}})
        desk.api.request("DELETE", f"{SERVICES}/late", None)
        watch.waits("late", "it is gone")
        desk.create("next")
        watch.waits("next", "<pending>")
        assert watch.end(signal.SIGINT) == ("", 130)
        names = [re.split(r" +", line)[1] for line in watch.lines]
        assert names == ["NAME", "early", "late", "early", "late", "next"]


def test_all_shows_every_change_under_one_header(desk: Desk) -> None:
    """-a goes on with those that lack nothing, and what stops being a LoadBalancer is said once."""
    desk.create("web")
    desk.run("assign", "--all")
    with following(desk, "-a") as watch:
        watch.waits("web", "192.0.2.200", "it has the addresses it asks for")
        desk.run("release", "web")
        watch.waits("web", "<pending>", "released by hand")
        desk.api.request("PATCH", f"{SERVICES}/web", {"spec": {"type": "ClusterIP"}})
        watch.waits("web", "it is no LoadBalancer any more")
        assert [line.split()[0] for line in watch.lines].count("NAMESPACE") == 1


def test_json_is_one_document_a_line(desk: Desk) -> None:
    """Each has what changed; the first is the list, empty or not."""
    with following(desk, "-o", "json") as watch:
        watch.waits('"items": []')
        desk.create("web")
        watch.waits('"name": "web"')
        documents = [json.loads(line) for line in watch.lines]
        assert [document["kind"] for document in documents] == ["ServiceList", "ServiceList"]
        assert [item["reason"] for item in documents[1]["items"]] == ["Pending"]


def test_names_and_a_namespace(desk: Desk) -> None:
    """-o name and -n as without -w."""
    desk.create("web")
    with following(desk, "-o", "name", "-n", "default") as watch:
        watch.waits("default/web")
        desk.create("next")
        watch.waits("default/next")
    with following(desk, "-o", "name", "-n", "other") as watch:
        desk.create("third")
        time.sleep(1)  # because nothing is to come
        assert watch.lines == []


def test_what_reads_it_may_go(desk: Desk) -> None:
    """`lbctl list -w | head -1` ends with the next line it would print."""
    desk.create("web")
    env = environment(desk.kubeconfig, desk.pools)
    command = f"set -o pipefail; {LBCTL} list -w | head -1"
    pipe = subprocess.PIPE
    child = subprocess.Popen(["bash", "-c", command], env=env, stdout=pipe, stderr=pipe, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().startswith("NAMESPACE")
    for n in range(20):
        desk.create(f"s{n}")
        time.sleep(0.1)  # because a line is to be written before the next is due
        if child.poll() is not None:
            break
    assert child.communicate(timeout=SOON) == ("", "")
    assert child.returncode == 0


def test_serve_has_a_line_at_a_terminal(desk: Desk) -> None:
    """It says how things stand, below the log, and is gone at the end."""
    desk.create("web")
    env = environment(desk.kubeconfig, desk.pools)
    stands = "1 Services, 0 pending; lan: 1 of 37 in use; last change: "
    seen, code = at_terminal(env, *SERVE, enough=stands)
    assert code == 0
    assert stands in seen
    assert "info: assigned service=default/web addresses=192.0.2.200 reason=Assigned\n" in seen
    assert seen.endswith("\r\x1b[K")


def test_serve_has_no_line_where_it_cannot_be_erased_or_is_not_wanted(desk: Desk) -> None:
    """A terminal that cannot move its cursor, and logs for machines."""
    desk.create("web")
    for words, more in ((), {"TERM": "dumb"}), (("--log-format=json",), {}):
        seen, code = at_terminal(environment(desk.kubeconfig, desk.pools, **more), *SERVE, *words, enough="synced")
        assert (code, "\x1b" in seen) == (0, False), seen
