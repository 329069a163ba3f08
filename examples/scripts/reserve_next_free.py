#!/usr/bin/env python3
"""Give a Service the next free address of a pool, for good.

    reserve_next_free.py --pools pools.yaml POOL NAMESPACE/NAME

Claims the address, writes it into the Service's status and prints it. From then on no other Service gets it. For the
Service to keep it also when it is deleted and made again much later, it has to ask for it by an annotation. The Role of
lbctl may not write Services, so the kubectl line that does is printed, on stderr, for you to run.
"""

from __future__ import annotations

import argparse
import sys
import time

from lbctl.api import Action, LbctlError, apply, connect, load_pools, plan


def main() -> int:
    """Reserve it; the exit code."""
    parser = argparse.ArgumentParser(description="Give a Service the next free address of a pool, for good.")
    parser.add_argument("--pools", default="pools.yaml", help="the pool file")
    parser.add_argument("pool", metavar="POOL")
    parser.add_argument("service", metavar="NAMESPACE/NAME")
    flags = parser.parse_args()
    cluster, pools = connect(), load_pools(flags.pools)
    for _ in range(10):
        planned = plan(cluster.snapshot(), pools, [flags.service], pool=flags.pool)
        decision = next(iter(apply(cluster, planned)), None)
        if decision is None or decision.action is not Action.WAIT:
            break
        time.sleep(1)  # another run was faster, or is at it: look again
    if decision is None:
        return fail(f"there is no Service {flags.service}", "create it first")
    if not decision.satisfied:
        return fail(f"{decision.reason.name}: {decision.sentence}", decision.hint)
    addresses = ",".join(map(str, decision.addresses))
    print(addresses)
    key = decision.service.key
    keep = f"kubectl -n {key.namespace} annotate service {key.name} lbctl/addresses={addresses}"
    print(f"to keep it for good: {keep}", file=sys.stderr)
    return 0


def fail(message: str, hint: str = "") -> int:
    """Say what went wrong, and what to do."""
    print(f"error: {message}" + (f"\nhint: {hint}" if hint else ""), file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (LbctlError, ValueError) as error:
        sys.exit(fail(str(error), getattr(error, "hint", "")))
