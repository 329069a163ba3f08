"""The cluster that the golden files show: a Service of every sort that a user meets."""

from __future__ import annotations

from tests.stage import DAY, HOUR, MINUTE, POOLS, Stage

BOTH = ("IPv4", "IPv6")


def nothing(_: Stage) -> None:
    """No Services but the API's own."""


def pending(here: Stage) -> None:
    """Services that lack an address, each for another reason, and some that are none of lbctl's business."""
    here.namespace("prod")
    here.service("prod/web", ago=3 * DAY)
    here.service("api", ago=3 * HOUR, ports=[{"name": "https", "port": 443, "nodePort": 30443}, _dns()])
    here.service("dual", ago=90 * MINUTE, families=BOTH, policy="RequireDualStack")
    here.service("six", ago=90, families=("IPv6",))
    here.service("outside", ago=400 * DAY, notes={"lbctl/addresses": "198.51.100.7"})
    here.service("misspelt", ago=50 * MINUTE, notes={"lbctl/pool": "lam"})
    here.service("unreadable", ago=49 * MINUTE, notes={"metallb.io/loadBalancerIPs": "192.0.2.0/24"})
    here.service("classy", ago=40 * MINUTE, loadBalancerClass="example.com/other")
    here.service("ignored", ago=30 * MINUTE, notes={"lbctl/ignore": "true"})
    here.service("hosted", ago=5 * HOUR)
    here.status("hosted", {"hostname": "lb.example.com"})
    here.service("foreign", ago=5 * HOUR, notes={"metallb.io/ip-allocated-from-pool": "lan"})
    here.status("foreign", {"ip": "192.0.2.200"})
    here.service("inside", kind="ClusterIP")


def assigned(here: Stage) -> None:
    """The same, once `lbctl assign --all` has been there, and somebody has released one and deleted one."""
    pending(here)
    here.service("gone")
    here.service("parked")
    here.run("assign", "--all")
    here.run("release", "parked")
    here.delete("gone")
    here.passes(10 * MINUTE)
    here.service("late", ago=MINUTE)
    here.run("assign", "late")


def announced(here: Stage) -> None:
    """The same, with announcers on two of three nodes, one of which is gone for minutes, and endpoints for some."""
    assigned(here)
    here.node("n1", "192.0.2.11")
    here.node("n2", "192.0.2.12")
    here.node("n3", "192.0.2.13", {"node.kubernetes.io/exclude-from-external-load-balancers": ""})
    here.announcer("n1", "192.0.2.202", "192.0.2.203")
    here.announcer("n2", "192.0.2.201", renewed=5 * MINUTE)
    here.announcer("n3")
    for name in ("api", "dual", "late"):
        here.endpoints(name, "n1", "n3")


def theirs(here: Stage) -> None:
    """Services that another controller has served, with all that stands in the way of adopting some."""
    for name, address, more in (
        ("web", "192.0.2.200", {}),
        ("web-udp", "192.0.2.200", {"ports": [{"port": 53, "protocol": "UDP", "nodePort": 30053}]}),
        ("far", "198.51.100.7", {}),
        ("twin", "192.0.2.202", {}),
        ("twin-too", "192.0.2.202", {}),
        ("classy", "192.0.2.203", {"loadBalancerClass": "example.com/other"}),
    ):
        key = {"metallb.io/allow-shared-ip": "web"} if name.startswith("web") else {}
        here.service(name, ago=DAY, notes={"metallb.io/ip-allocated-from-pool": "lan", **key}, **more)
        here.status(name, {"ip": address})
    here.service("hosted", notes={"metallb.io/ip-allocated-from-pool": "lan"})
    here.status("hosted", {"hostname": "lb.example.com"})
    here.service("unmarked")
    here.status("unmarked", {"ip": "192.0.2.204"})
    here.service("pending")


def adopted(here: Stage) -> None:
    """The same, once it is lbctl's."""
    theirs(here)
    here.run("adopt", "--all", "--from", "metallb")


def spent(here: Stage) -> None:
    """Some are deleted after that, one made anew, and one of them was gone a day before."""
    assigned(here)
    here.passes(DAY)
    for name in ("late", "dual", "api"):
        here.delete(name)
    here.service("api")


def lost(here: Stage) -> None:
    """The ledger is gone, two Services show one address of lbctl's, and somebody else shows one, too."""
    here.service("web", ago=DAY)
    here.service("api", ago=HOUR)
    here.service("dns", ago=HOUR, notes={"lbctl/addresses": "192.0.2.210"})
    here.run("assign", "--all")
    here.forget()
    here.status("api", {"ip": "192.0.2.200"}, manager="lbctl")
    here.service("theirs", ago=MINUTE)
    here.status("theirs", {"ip": "192.0.2.210"})


def changed(here: Stage) -> None:
    """`assigned`, and files that would change it: wider and narrower, for other Services, and in nothing."""
    assigned(here)
    here.service("wants", notes={"lbctl/pool": "public"})
    here.service("dmz", notes={"lbctl/addresses": "198.51.100.2"})
    here.write("wider.yaml", WIDER)
    here.write("narrow.yaml", "pools:\n- {name: lan, addresses: [192.0.2.200-192.0.2.201]}\n")
    here.write("class.yaml", f"loadBalancerClass: example.com/other\n{POOLS}")
    here.write("same.yaml", f"# the same but for this line\n{POOLS}")
    here.write("broken.yaml", "pools: []\n")


def crowded(here: Stage) -> None:
    """Pools for some Services only, addresses that are shared, kept and asked for, and who does not get them."""
    here.namespace("prod")
    here.write("pools.yaml", CROWDED)
    here.service("web", ports=[{"port": 80, "nodePort": 31000}], notes={**SHARED, "lbctl/addresses": "192.0.2.201"})
    here.service("gone")
    here.run("assign", "web", "gone")
    here.delete("gone")
    here.passes(MINUTE)
    here.service("mail", ports=[{"port": 25, "nodePort": 31001}], notes={**SHARED, "lbctl/addresses": "192.0.2.201"})
    here.run("assign", "mail")
    here.passes(MINUTE)
    here.service("kept", notes={"lbctl/pool": "lan"})
    here.service("taken", notes={"lbctl/addresses": "192.0.2.201"})
    here.service("full", families=BOTH, policy="PreferDualStack")


def elsewhere(here: Stage) -> None:
    """Manifests of other systems, with what a pool file can say and what it cannot."""
    here.write("others.yaml", OTHERS)
    here.write("nothing.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    here.write("broken.yaml", "apiVersion: metallb.io/v1beta1\nspec: {addresses: [192.0.2.0/28}\n")


OTHERS = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system}
spec:
  addresses: [192.0.2.200-192.0.2.220, 192.0.2.17/28, "2001:db8::100/120"]
  avoidBuggyIPs: true
  serviceAllocation: {priority: 10, namespaces: [prod], serviceSelectors: [{matchLabels: {app: web}}]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2, namespace: metallb-system}
spec: {ipAddressPools: [lan], interfaces: [eth1]}
---
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: lan}
spec:
  blocks: [{start: 192.0.2.210, stop: 192.0.2.230}]
  serviceSelector: {matchLabels: {io.kubernetes.service.name: web}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kubevip, namespace: kube-system}
data: {range-global: 198.51.100.1-198.51.100.9, range-dev: 198.51.100.21-198.51.100.29, interface-global: eth0}
---
apiVersion: purelb.io/v2
kind: ServiceGroup
metadata: {name: public.example.com, namespace: purelb}
spec: {remote: {v4pool: {subnet: 203.0.113.0/24, pool: 203.0.113.16/29}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: metallb-system}
"""


SHARED = {"lbctl/share": "front"}
WIDER = """\
pools:
- name: lan
  addresses: [192.0.2.202-192.0.2.224, '2001:db8::10-2001:db8::11']
  priority: 5
- name: dmz
  addresses: [198.51.100.0/29]
  serviceSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}
reservations:
- {service: default/late, addresses: [192.0.2.222]}
"""
CROWDED = """\
pools:
- name: lan
  addresses: [192.0.2.200-192.0.2.202, '2001:db8::10']
  exclude: ['2001:db8::10']
  reuseAfter: 1h
- name: prod
  addresses: [198.51.100.0/30]
  namespaces: [prod]
- name: lab
  addresses: [198.51.100.8/30]
  serviceSelector: {matchLabels: {tier: lab}}
  priority: 1
- name: old
  addresses: [198.51.100.16/30]
  disabled: true
- name: public
  addresses: [203.0.113.16/29]
  autoAssign: false
  shareAcrossNamespaces: true
reservations:
- {service: default/kept, addresses: [192.0.2.202]}
"""


def _dns() -> dict[str, object]:
    return {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053}
