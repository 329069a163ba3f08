"""python -m tests.bench NAME [--quick] [--json]: run one benchmark; exit 0 when its limits are met, else 1.

`failover` takes one case and another with --only: link-cut, sigkill, ...
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.bench import allocator, arp, assign, failover, serve, startup
from tests.bench.figures import report

BENCHES = {
    "allocator": allocator.run,
    "arp": arp.run,
    "assign": assign.run,
    "failover": failover.run,
    "serve": serve.run,
    "startup": startup.run,
}


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", choices=BENCHES)
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--only", action="append", choices=failover.CASES, help="of failover: this case; repeat it")
    words = parser.parse_args()
    if words.only and words.name != "failover":
        parser.error("--only is for failover")
    os.environ["LBCTL_PROBE"] = "off"  # as in tests/conftest.py
    chosen = {"only": words.only} if words.only else {}
    return report(BENCHES[words.name](quick=words.quick, **chosen), as_json=words.json)


if __name__ == "__main__":
    sys.exit(main())
