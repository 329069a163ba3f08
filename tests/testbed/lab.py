"""The lab: a real control plane, and a LAN of network namespaces with three nodes that real kube-proxies run on.

    with Lab() as lab:                            # or the fixture `lab`, one for all tests, swept before each
        lab.hand.kubectl("apply", "-f", "-", stdin=...)   # tests.testbed.driver.Bed, all of it
        lab.expose("web", "192.0.2.200")          # a Service on the pods, its status as given; or let lbctl do it
        lab.lbctl("n1", "arp-announce", "-i", "eth0")     # a Popen of lbctl on a host, as the least Role
        lab.start_in("n1", "tcpdump")             # a Popen of anything there; dies with this process
        lab.fetch("192.0.2.200")                  # from the client: what the pod said, "n2 192.0.2.10"
        lab.connect("192.0.2.200", timeout=0.2)   # from the client: a socket, or OSError
        lab.space("client").run("ip", "neigh")    # a Namespace: run, call, command, path

Wires, all of `lab.lan` (lan.py has the picture, the names and the addresses): `cut_link(host)`, `cut_in_switch(host)`,
which leaves the carrier on, `partition(host, host)`, `delay(host, seconds)`, and `restore()` of everything.

API server: `lab.hand.apiserver.stop()`, `.start()`, `.pause()`, then `lab.hand.ready()`. `lab.cut_api(host)` cuts off
one host, `lab.restore_api(host)` lets it back, as a cable would: connections stay open and nothing comes through.

Pods: `lab.ready("n1", False)` says that the pod of a node is not ready. `lab.label("n1", {"key": "value"})` labels a
node. `lab.wipe()` makes everything as new but for the control plane.

What the switch passes on (capture.py): `with lab.capture() as seen, lab.asking("192.0.2.200"): ...`, and then
`seen.answers("192.0.2.200")`, `seen.owners(...)`, and `overlap(seen.answers(...))`: the time that two answered both.
A host that has an address and tells all, which nobody gave it: `with lab.stranger("client", "192.0.2.200"): ...`.
How long a client was without (probing.py): `with Probing(lab, "192.0.2.200") as client: ...; client.gap`.

KUBECONFIG is the same file on every host, because a relay listens on each at the API server's own address. All
processes and namespaces end with this one, however it ends.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.testbed import lab_objects as objects
from tests.testbed.asking import Repeating, claim, question
from tests.testbed.capture import Capture
from tests.testbed.driver import SERVICES, Bed, service, until
from tests.testbed.lab_objects import APP, NODE_API, POD_API
from tests.testbed.lan import HOSTS, NODES, PODS, PORT, Lan
from tests.testbed.netns import Namespace
from tests.testbed.servers import Server, dies_with_us

HERE = Path(__file__).parent
PACKAGES = {"ip": "iproute2", "nft": "nftables", "iptables": "iptables", "nsenter": "util-linux"}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/lbctl-system/leases"

# Before everything else, so that kube-proxy's own tables have no say.
CUT_API = """
table inet lab {{
  chain enter {{
    type filter hook input priority -500
    iifname "lo" tcp dport {port} drop
    iifname "lo" tcp sport {port} drop
  }}
}}
"""


# What wipe() takes off hosts again, so that tests may give an address to a host by hand.
BY_HAND = ("192.0.2.128/25", "2001:db8::100/120", "2001:db8::200/119", "198.51.100.0/24", "2001:db8:1::/64")


class Lab:
    """One lab; use it as a context manager. OSError with what is missing where this machine or user can't have it."""

    def __init__(self, proxy: Literal["nftables", "iptables"] = "nftables") -> None:
        if missing := missing_packages():
            raise OSError(f"the lab needs: sudo apt-get install {' '.join(missing)}")
        self._mode = proxy
        self.lan = Lan()
        self.hand = Bed()
        self.bin = self.hand.dir / "bin"
        self.kubeconfig = self.hand.kubeconfig
        self._port = int(urlsplit(self.hand.url).port or 0)
        self._servers: dict[str, Server] = {}

    def __enter__(self) -> Lab:
        try:
            self.lan.__enter__()
            self.hand.__enter__()
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take everything down."""
        for server in self._servers.values():
            server.kill()
        self.hand.stop()
        self.lan.close()

    # Starting.

    def _start(self) -> None:
        self.hand.controllers.start()
        self._start_relay_and_pods()
        self._make_objects()
        for node in NODES:
            self._start_proxy(node)
        self._write_scripts()
        for node in NODES:
            until(partial(self._proxy_ready, node), f"kube-proxy on {node} to be ready", seconds=60)

    def _start_relay_and_pods(self) -> None:
        doors = [self._listener(self.space(name), "127.0.0.1", self._port) for name in HOSTS]
        self._serve("relay", doors, str(self._port))
        for node, pod in zip(NODES, PODS, strict=True):
            self._serve(pod, [self._listener(self.space(pod), "::", 80)], node)

    def _serve(self, name: str, doors: list[socket.socket], *words: str) -> None:
        script = HERE / ("relay.py" if name == "relay" else "pod.py")
        command = [sys.executable, "-IS", str(script), *words, *(str(door.fileno()) for door in doors)]
        server = self._servers[name] = Server(name, command, self.hand.dir, sockets=doors)
        server.start()
        for door in doors:
            door.close()

    def _listener(self, space: Namespace, address: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return space.call(
            lambda: socket.create_server((address, port), family=family, dualstack_ipv6=":" in address, backlog=1024)
        )

    def _start_proxy(self, node: str) -> None:
        command = self.space(node).command(
            str(self.hand.bin / "kube-proxy"),
            f"--kubeconfig={self.kubeconfig}",
            f"--hostname-override={node}",
            f"--proxy-mode={self._mode}",
            "--cluster-cidr=10.244.0.0/16,fd00:10:244::/48",
            "--conntrack-max-per-core=0",  # because a namespace may not set it
            "--oom-score-adj=0",
        )
        server = self._servers[f"kube-proxy-{node}"] = Server(f"kube-proxy-{node}", command, self.hand.dir)
        server.start()

    def _proxy_ready(self, node: str) -> bool:
        return self.get(node, "127.0.0.1", 10256, "/healthz", 1.0)[0] == 200

    def _make_objects(self) -> None:
        for node in NODES:
            self._post(NODE_API, objects.node(node))
            self._post(POD_API, objects.pod(node))
            self.ready(node)

    def _post(self, path: str, item: Mapping[str, Any]) -> None:
        status, answer = self.hand.admin.request("POST", path, item)
        assert status == 201, answer

    def _patch(self, path: str, item: Mapping[str, Any]) -> None:
        status, answer = self.hand.admin.request("PATCH", path, item)
        assert status == 200, answer

    def _write_scripts(self) -> None:
        """`n1 ip addr` in a shell: one command a namespace, beside kubectl."""
        self.bin.mkdir()
        (self.bin / "kubectl").symlink_to(self.hand.kubectl_path)
        for name, space in self.lan.spaces.items():
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nexec nsenter --net={space.path} -- "$@"\n')
            script.chmod(0o755)

    # Using.

    def space(self, host: str) -> Namespace:
        """The namespace of a host, of a pod (p1 to p3), or of the switch."""
        return self.lan.spaces[host]

    def start_in(self, host: str, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """Start a process on a host, from the main thread; options are Popen's. It dies with us."""
        return subprocess.Popen(self.space(host).command(*argv), preexec_fn=dies_with_us(), text=True, **options)

    def lbctl(self, host: str, *words: str) -> subprocess.Popen[str]:
        """Start the installed lbctl on a host as the least Role; both its outputs are pipes."""
        command = [str(Path(sys.executable).parent / "lbctl"), *words, "--context=lbctl"]
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "LBCTL_PROBE": "auto"}
        return self.start_in(host, *command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def connect(self, address: str, port: int = 80, *, timeout: float = 5.0, host: str = "client") -> socket.socket:
        """A TCP connection from the client or another host; OSError as socket.create_connection."""
        return self.space(host).call(lambda: socket.create_connection((address, port), timeout))

    def fetch(self, address: str, *, timeout: float = 5.0, host: str = "client") -> str:
        """What the pod says that answers at http://ADDRESS/: its node and whom it saw; OSError when nobody does."""
        return self.get(host, address, 80, "/", timeout)[1].strip()

    def get(self, host: str, address: str, port: int, path: str, timeout: float = 5.0) -> tuple[int, str]:
        """GET from a host: status and body; 0 and what went wrong when there is no answer, for "/" an OSError."""
        connection = http.client.HTTPConnection(address, port)
        try:
            connection.sock = self.connect(address, port, timeout=timeout, host=host)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as failed:
            if path == "/":
                raise OSError(f"http://{address}/ from {host}: {failed}") from failed
            return 0, str(failed)
        finally:
            connection.close()

    def capture(self) -> Capture:
        """What the switch passes on of ARP and Neighbor Discovery, from now on."""
        return Capture(self.space("switch"))

    def asking(self, *addresses: str, period: float = 0.1, host: str = "gw") -> Repeating:
        """Ask for these addresses all the time, not from the client, whose neighbour entries stay its own."""
        return Repeating(self.space(host), *addresses, frame=question, period=period)

    def give(self, host: str, *addresses: str) -> None:
        """Put addresses on a host by hand, as one does without an announcer."""
        for address in addresses:
            length, nodad = ("128", ["nodad"]) if ":" in address else ("32", [])
            self.space(host).run("ip", "address", "add", f"{address}/{length}", "dev", PORT, *nodad)

    @contextlib.contextmanager
    def stranger(self, host: str, *addresses: str, period: float = 0.5) -> Iterator[None]:
        """The host has these addresses by hand, and tells all again and again."""
        self.give(host, *addresses)
        with Repeating(self.space(host), *addresses, frame=claim, period=period):
            yield
        for address in addresses:
            self.space(host).run("ip", "address", "delete", address, "dev", PORT)

    def expose(self, name: str, *addresses: str, **spec: Any) -> None:
        """Make a LoadBalancer Service on the pods and give it these addresses as its status; returns when every
        kube-proxy knows."""
        families = tuple("IPv6" if ":" in address else "IPv4" for address in addresses)
        item = service(name, families=families if len(families) > 1 else ())
        item["spec"] |= {"selector": {"app": APP}} | spec
        if families == ("IPv6",):
            item["spec"]["ipFamilies"] = ["IPv6"]
        self._post(SERVICES, item)
        ingress = [{"ip": address} for address in addresses]
        self._patch(f"{SERVICES}/{name}/status", {"status": {"loadBalancer": {"ingress": ingress}}})
        until(lambda: self.served(*addresses), f"kube-proxies to serve {addresses}", seconds=30)

    def served(self, *addresses: str) -> bool:
        """Whether every node reaches the pods by these addresses itself, which takes no announcer."""
        return all(self.reaches(address, host=node, timeout=1.0) for node in NODES for address in addresses)

    def reaches(self, address: str, *, host: str = "client", timeout: float = 1.0) -> bool:
        """Whether a pod answers a host at http://ADDRESS/."""
        try:
            return bool(self.fetch(address, timeout=timeout, host=host))
        except OSError:
            return False

    def ready(self, node: str, yes: bool = True) -> None:
        """Say whether a node's pod is ready; the controllers bring its EndpointSlices up to date."""
        self._patch(f"{POD_API}/{APP}-{node}/status", {"status": objects.pod_status(node, yes)})

    def label(self, node: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of a Node; None takes one away."""
        self._patch(f"{NODE_API}/{node}", {"metadata": {"labels": dict(labels)}})

    def wipe(self) -> None:
        """As new: no Services and Leases, whole wires, ready nodes and pods, no labels, no addresses by hand, no
        neighbour entries."""
        self.hand.wipe()
        leases = [item["metadata"]["name"] for item in self.hand.admin.get(LEASES)["items"]]
        self.hand.admin.send([("DELETE", f"{LEASES}/{name}", None) for name in leases])
        self.lan.restore()
        for name in HOSTS:
            self.restore_api(name)
            flush = [f"address flush dev {PORT} to {subnet}" for subnet in BY_HAND]
            self.space(name).run("ip", "-force", "-batch", "-", stdin="\n".join([*flush, "neigh flush all"]) + "\n")
        for node in NODES:
            item = self.hand.admin.get(f"{NODE_API}/{node}")
            kept = objects.node(node)["metadata"]["labels"]
            self.label(node, {key: kept.get(key) for key in {*item["metadata"]["labels"], *kept}})
            conditions = objects.node(node)["status"]["conditions"]
            self._patch(f"{NODE_API}/{node}/status", {"status": {"conditions": conditions}})
            self.ready(node)

    def cut_api(self, host: str) -> None:
        """Cut a host off from the API server, and nothing else: what it sends there is lost, connections stay open."""
        self.space(host).run("nft", "-f", "-", stdin=CUT_API.format(port=self._port))

    def restore_api(self, host: str) -> None:
        """Let it back. The kernel sends again what was lost, later the longer the cut was."""
        self.space(host).run("nft", "add table inet lab; delete table inet lab")


def missing_packages() -> list[str]:
    """The Debian packages that the lab needs and that are not installed."""
    return sorted({package for tool, package in PACKAGES.items() if shutil.which(tool, path=with_sbin()) is None})


def with_sbin() -> str:
    """PATH with the folders of such tools, which ordinary users lack."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
