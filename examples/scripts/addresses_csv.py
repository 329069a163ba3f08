#!/usr/bin/env python3
"""Every address in use, as CSV: address, pool, state, Service, since when.

    addresses_csv.py > addresses.csv

The state is that of the claim (held, parked, released), or `unclaimed` for an address that a Service shows and lbctl
did not give. `service` is the holder, or the last one; `since` is in UTC. Needs no pool file. Only reads.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from lbctl.api import LbctlError, Snapshot, connect

Row = tuple[str, str, str, str, str]


def rows(look: Snapshot) -> Iterator[Row]:
    """The claims by address, then what is in use without one."""
    for claim in look.claims:
        keys = [holder.key for holder in claim.holders] or ([claim.last.key] if claim.last else [])
        since = datetime.fromtimestamp(claim.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield str(claim.address), claim.pool, claim.state, " ".join(map(str, keys)), since
    held = {(claim.address, holder.key) for claim in look.claims for holder in claim.holders}
    for key, service in sorted(look.services.items()):
        for address in service.status:
            if (address, key) not in held:
                yield str(address), "", "unclaimed", str(key), ""


def main() -> None:
    """Print the report."""
    look = connect().snapshot()
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(("address", "pool", "state", "service", "since"))
    table.writerows(rows(look))


if __name__ == "__main__":
    try:
        main()
    except LbctlError as error:
        sys.exit(f"error: {error}")
