"""Why a Service has its address, or has none: the one vocabulary (promise 5).

The code is an API and is never renamed: the same word stands in `list`, JSON, Events, conditions, logs and metrics.
The sentence says what it means to a newcomer, the hint what to do. A reason appears here with the rule that gives it.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """One outcome of planning for one Service; the value is (sentence, hint)."""

    Assigned = ("it has the addresses it asks for", "")
    Pending = ("it waits for an address, and nothing stands in the way", "lbctl assign NAMESPACE/NAME gives it one")
    Adopted = (
        "another controller gave it its address, and lbctl holds that now",
        "remove the other controller: while it runs it may go on writing the status",
    )
    NotLoadBalancer = ("it is not of type LoadBalancer", "set spec.type to LoadBalancer")
    ForeignClass = (
        "its loadBalancerClass is for another controller",
        "give the pool file the same loadBalancerClass, or none where the Service has none",
    )
    ForeignOwner = (
        "another controller has filled its status",
        "remove the other controller's address first, or take it over with lbctl adopt",
    )
    ClaimLost = (
        "lbctl gave it its address, and the claim for that is gone",
        "lbctl claims repair makes it lbctl's again",
    )
    Ignored = ("it is marked to be left alone", "remove the annotation lbctl/ignore (or kube-vip.io/ignore)")
    Deleting = ("it is being deleted", "")
    InvalidRequest = (
        "what it asks for cannot be read",
        "correct the annotation; addresses are written 192.0.2.10 or 192.0.2.10,2001:db8::10",
    )
    RequestConflict = (
        "it asks for things that exclude each other",
        "ask for one thing: an address of the pool it names, or no pool",
    )
    FamilyMismatch = ("the requested address is not of its IP family", "ask for one address per family in ipFamilies")
    FamilyUnavailable = ("no pool has addresses of its IP family", "add a range of that family to a pool")
    AddressOutsidePools = ("the address is in no pool", "add the address to a pool, or ask for one inside a pool")
    AddressExcluded = ("its pool excludes the address", "take it out of exclude, or ask for another")
    AddressReserved = (
        "the pool file keeps the address for another Service",
        "ask for another address, or change reservations in the pool file",
    )
    AddressInUse = ("the address is in use", "ask for another address, or release the one who holds it")
    AddressInUseOnLan = (
        "another machine on the LAN has the address",
        "find the machine by its MAC and give it another address, or exclude the address from its pool",
    )
    StillAnnounced = (
        "a node still announces the address, which no Service has any more",
        "wait a few seconds; if it goes on, see why that node's announcer does not reach the API server",
    )
    Announced = ("a node answers for its address on the LAN", "")
    NotAnnounced = ("no node may announce its address", "lbctl explain NAMESPACE/NAME says why each may not")
    SharingConflict = (
        "it cannot share the address with the Services on it",
        "ask for another address, or give them equal keys, other ports and one externalTrafficPolicy",
    )
    TooManyPorts = (
        "it shares an address and has more ranges of ports than a claim holds (64)",
        "split the Service, or take its sharing key away",
    )
    NoPools = ("there are no pools", "lbctl pools init writes a pool file to start from")
    PoolNotFound = ("the pool it names does not exist", "lbctl pools list shows the pools there are")
    PoolNotAllowed = ("the pool is not for this Service", "name another pool, or change whom the pool is for")
    PoolDisabled = ("the pool is disabled", "name another pool, or remove disabled from the pool file")
    NoMatchingPool = (
        "no pool is for this Service",
        "name a pool or an address, or change autoAssign, namespaces or selectors of a pool",
    )
    PoolExhausted = ("no address is free", "widen a pool, or release what is no longer needed")
    PoolFilesDiffer = (
        "two pool files were used within an hour",
        "use one pool file everywhere; after an edit this ends within an hour",
    )
    BeingAssigned = ("another lbctl is assigning it right now", "wait a few seconds and look again")
    Released = ("its address was released by hand", "lbctl assign NAMESPACE/NAME gives it an address again")
    StatusFight = (
        "somebody clears its status as often as lbctl writes it",
        "find out who: kubectl get service NAME -n NAMESPACE --show-managed-fields -o yaml",
    )
    NotOurs = ("lbctl holds no claim for its address", "whoever wrote the address must clear it")
    DhcpNotSupported = ("lbctl asks no DHCP server for addresses", "ask for an address of a pool, or for none")
    LedgerUnreadable = (
        "a block of claims cannot be read, so all its addresses count as in use",
        "look at the ConfigMap in lbctl-system that the message names, or upgrade lbctl",
    )
    LedgerUnavailable = ("the claims cannot be reached", "kubectl create namespace lbctl-system")

    @property
    def sentence(self) -> str:
        """What it means, as the end of a sentence about one Service."""
        return self.value[0]

    @property
    def hint(self) -> str:
        """What to do about it; empty when there is nothing to do."""
        return self.value[1]
