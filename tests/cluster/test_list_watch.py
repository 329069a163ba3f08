"""lbctl list -w on a real API server, as the least Role, while lbctl serve fills what it shows."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.cluster.acts import create, delete, pool_file
from tests.testbed.driver import Hand, until
from tests.testbed.serving import SOON, Served

pytestmark = pytest.mark.cluster


def test_list_w_shows_what_serve_does(bed: Hand, tmp_path: Path) -> None:
    """Pending, then the address; and it goes on when the API server has ended its watches."""
    pools = pool_file(tmp_path, "pools:\n- {name: lan, addresses: [192.0.2.0-192.0.2.9]}\n")
    child = bed.lbctl("list", "-a", "-w", pools)
    lines: list[str] = []
    assert child.stdout is not None

    def read() -> None:
        assert child.stdout is not None
        lines.extend(iter(child.stdout.readline, ""))

    thread = threading.Thread(target=read)
    thread.start()

    def printed(*parts: str) -> None:
        until(lambda: any(all(part in line for part in parts) for line in lines), f"{parts}", seconds=SOON)

    try:
        create(bed, "web")
        printed("web", "<pending>", "192.0.2.0 of pool lan is free for it")
        with Served(bed, pools, "--no-leader-elect"):
            printed("web", "192.0.2.0", "it has the addresses it asks for")
            create(bed, "next")
            printed("next", "192.0.2.1")
            delete(bed, "web")
            printed("web", "it is gone")
    finally:
        child.kill()
        child.wait()
        thread.join()
        for stream in (child.stdout, child.stderr):
            assert stream is not None
            stream.close()
