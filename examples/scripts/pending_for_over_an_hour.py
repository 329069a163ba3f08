#!/usr/bin/env python3
"""Services that have waited for an address for over an hour, as JSON: for a report, or for monitoring.

    pending_for_over_an_hour.py [--pools pools.yaml] [--minutes 60]

Ends with 1 when there are any, with 3 for a wrong pool file, with 4 when the cluster cannot be asked. Only reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime

from lbctl.api import Action, LbctlError, Reason, connect, load_pools, plan


def main() -> int:
    """Print the Services; the exit code."""
    parser = argparse.ArgumentParser(description="Services that have waited for an address for long, as JSON.")
    parser.add_argument("--pools", default="pools.yaml", help="the pool file")
    parser.add_argument("--minutes", type=float, default=60, help="how long is long")
    flags = parser.parse_args()
    pools = load_pools(flags.pools)
    look = connect().snapshot()
    found = []
    for decision in plan(look, pools).decisions:
        service = decision.service
        minutes = (look.now - datetime.fromisoformat(service.created).timestamp()) / 60
        if service.pending and minutes > flags.minutes:
            # What the plan would assign stands in nobody's way: it waits for somebody to run lbctl assign.
            reason = Reason.Pending if decision.action is Action.ASSIGN else decision.reason
            found.append(
                {
                    "service": str(service.key),
                    "minutes": round(minutes),
                    "reason": reason.name,
                    "message": decision.message or reason.sentence,
                    "hint": reason.hint.replace("NAMESPACE/NAME", str(service.key)),
                }
            )
    print(json.dumps(found, indent=2))
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LbctlError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
