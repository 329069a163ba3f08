"""What kubectl prints: the same beside either server. It is the test bed's kubectl, so all of these need the bed."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lbctl.kube.api import Kube
from lbctl.kube.events import Events
from lbctl.kube.transport import connect
from lbctl.reasons import Reason
from lbctl.services import parse_service
from tests.contract.wire import Wire, service
from tests.testbed.driver import Bed

pytestmark = pytest.mark.cluster

Kubectl = Callable[..., str]

MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports:
  - {name: http, port: 80}
  - {name: https, port: 443, targetPort: tls}
"""


@pytest.fixture
def kubectl(api: Wire, kubeconfig: Path, _bed: Bed, tmp_path: Path) -> Kubectl:
    """Run kubectl in this test's namespace: both outputs, without what differs from run to run."""

    def run(*words: str, stdin: str = "") -> str:
        command = [str(_bed.bin / "kubectl"), "--kubeconfig", str(kubeconfig), "-n", api.space, *words]
        env = {**os.environ, "HOME": str(tmp_path)}  # where kubectl keeps what it discovered
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=env, timeout=60)
        text = done.stdout + done.stderr
        for pattern, blot in (
            (r"\b10\.96\.\d+\.\d+", "ADDRESS"),
            (r"(?<=[:\s])3[012]\d{3}/", "NODEPORT/"),
            (r"\b\d+s\b", "AGE"),
            (re.escape(api.space), "SPACE"),
            (r" +(?=\n)", ""),
            (r"(?<=\S)  +", "  "),
        ):
            text = re.sub(pattern, blot, text)
        return text

    return run


def test_apply_creates_configures_and_leaves_unchanged(kubectl: Kubectl, tmp_path: Path) -> None:
    """The life of a manifest."""
    path = tmp_path / "web.yaml"
    path.write_text(MANIFEST)
    assert kubectl("apply", "-f", str(path)) == "service/web created\n"
    assert kubectl("apply", "-f", str(path)) == "service/web unchanged\n"
    path.write_text(MANIFEST.replace("port: 80", "port: 8080"))
    assert kubectl("apply", "-f", str(path)) == "service/web configured\n"
    assert kubectl("get", "svc", "web", "-o", "jsonpath={.spec.ports[*].port}") == "8080 443"


def test_get_prints_a_pending_service(kubectl: Kubectl) -> None:
    """The picture that lbctl is about."""
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert kubectl("get", "svc") == (
        "NAME  TYPE  CLUSTER-IP  EXTERNAL-IP  PORT(S)  AGE\n"
        "web  LoadBalancer  ADDRESS  <pending>  80:NODEPORT/TCP,443:NODEPORT/TCP  AGE\n"
    )
    assert kubectl("get", "svc", "-o", "wide").splitlines()[1].endswith("AGE  app=web")
    everywhere = kubectl("get", "svc", "-A").splitlines()
    assert everywhere[0].split() == ["NAMESPACE", "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert any(line.split()[:2] == ["SPACE", "web"] for line in everywhere)


def test_get_finds_by_label_and_names(kubectl: Kubectl) -> None:
    """`-l` and `-o name`; what is not there is said."""
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert kubectl("get", "svc", "-l", "app=web", "-o", "name") == "service/web\n"
    assert kubectl("get", "svc", "-l", "app=db") == "No resources found in SPACE namespace.\n"
    assert kubectl("get", "svc", "nothing") == 'Error from server (NotFound): services "nothing" not found\n'
    assert kubectl("get", "svc", "--field-selector", "spec.type=LoadBalancer", "-o", "name") == "service/web\n"


def test_patch_of_the_status_shows_the_address(kubectl: Kubectl) -> None:
    """As an admin does it by hand."""
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    body = '{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.200"}]}}}'
    assert kubectl("patch", "svc", "web", "--subresource=status", "-p", body) == "service/web patched\n"
    assert kubectl("patch", "svc", "web", "--subresource=status", "-p", body) == "service/web patched (no change)\n"
    assert kubectl("get", "svc", "web", "--no-headers").split()[3] == "192.0.2.200"


def test_label_and_annotate(kubectl: Kubectl) -> None:
    """Set, refused without --overwrite, taken away."""
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert kubectl("label", "svc", "web", "a=b") == "service/web labeled\n"
    assert "already has a value (b), and --overwrite is false" in kubectl("label", "svc", "web", "a=c")
    assert kubectl("label", "svc", "web", "a-") == "service/web unlabeled\n"
    assert kubectl("annotate", "svc", "web", "lbctl/pool=lan") == "service/web annotated\n"
    assert kubectl("get", "svc", "web", "-o", r"jsonpath={.metadata.annotations.lbctl/pool}") == "lan"


def test_delete(kubectl: Kubectl) -> None:
    """It waits until the object is gone."""
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert kubectl("delete", "svc", "web") == 'service "web" deleted from SPACE namespace\n'
    assert kubectl("delete", "svc", "web") == 'Error from server (NotFound): services "web" not found\n'


def test_describe(kubectl: Kubectl, api: Wire) -> None:
    """With the events about it."""
    made = api.made("services", service("web", "LoadBalancer", {"annotations": {"lbctl/pool": "lan"}}))
    about = {"kind": "Service", "name": "web", "namespace": api.space, "uid": made["metadata"]["uid"]}
    times = {
        "firstTimestamp": made["metadata"]["creationTimestamp"],
        "lastTimestamp": made["metadata"]["creationTimestamp"],
    }
    event = {"reason": "PoolExhausted", "message": "no address is free", "type": "Warning", "count": 1}
    source = {"component": "lbctl"}
    api.made("events", {"metadata": {"name": "e"}, "involvedObject": about, "source": source, **event, **times})
    assert kubectl("describe", "svc", "web") == (
        "Name:  web\n"
        "Namespace:  SPACE\n"
        "Labels:  <none>\n"
        "Annotations:  lbctl/pool: lan\n"
        "Selector:  <none>\n"
        "Type:  LoadBalancer\n"
        "IP Family Policy:  SingleStack\n"
        "IP Families:  IPv4\n"
        "IP:  ADDRESS\n"
        "IPs:  ADDRESS\n"
        "Port:  <unset>  80/TCP\n"
        "TargetPort:  80/TCP\n"
        "NodePort:  <unset>  NODEPORT/TCP\n"
        "Endpoints:  <none>\n"
        "Session Affinity:  None\n"
        "External Traffic Policy:  Cluster\n"
        "Internal Traffic Policy:  Cluster\n"
        "Events:\n"
        "  Type  Reason  Age  From  Message\n"
        "  ----  ------  ----  ----  -------\n"
        "  Warning  PoolExhausted  AGE  lbctl  no address is free\n"
    )


def test_the_events_of_lbctl(kubectl: Kubectl, api: Wire, kubeconfig: Path) -> None:
    """What describe and events show of a refusal that was met twice, and of a move."""
    web = parse_service(api.made("services", service("web", "LoadBalancer")))
    events, now = Events(Kube(connect(str(kubeconfig))), "jane@laptop"), int(time.time())
    events.tell(web, "Warning", Reason.AddressInUse, "192.0.2.200 is in use: Service default/db shows it", now - 5)
    events.tell(web, "Warning", Reason.AddressInUse, "192.0.2.200 is in use: Service default/db shows it", now)
    events.tell(web, "Normal", Reason.Assigned, "it moves from 192.0.2.201 to 192.0.2.200", now)
    assert events.close(30) == 0
    rows = [
        "  Normal  Assigned  AGE  lbctl  it moves from 192.0.2.201 to 192.0.2.200",
        "  Warning  AddressInUse  AGE (x2 over AGE)  lbctl  192.0.2.200 is in use: Service default/db shows it",
    ]
    heading, _, *shown = kubectl("describe", "svc", "web").partition("Events:\n")[2].splitlines()
    assert (heading, sorted(shown)) == ("  Type  Reason  Age  From  Message", rows)
    heading, *shown = kubectl("events", "--for", "svc/web").splitlines()
    assert heading == "LAST SEEN  TYPE  REASON  OBJECT  MESSAGE"
    assert sorted(line.partition("  ")[2] for line in shown) == [
        "Normal  Assigned  Service/web  it moves from 192.0.2.201 to 192.0.2.200",
        "Warning  AddressInUse  Service/web  192.0.2.200 is in use: Service default/db shows it",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("create", "configmap", "a", "--from-literal=k=v"), "configmap/a created\n", id="configmap"),
        pytest.param(("create", "service", "loadbalancer", "a", "--tcp=80:8080"), "service/a created\n", id="service"),
    ],
)
def test_create(kubectl: Kubectl, words: tuple[str, ...], said: str) -> None:
    """By its own generators, which speak protobuf."""
    assert kubectl(*words) == said
    assert kubectl(*words).endswith('"a" already exists\n')
    kind = "cm" if "configmap" in words else "svc"
    assert kubectl("get", kind, "a", "-o", "name") == f"{said.split()[0]}\n"


def test_create_a_namespace(kubectl: Kubectl) -> None:
    """Protobuf again, of what stands in no namespace."""
    name = f"n-{secrets.token_hex(4)}"
    assert kubectl("create", "namespace", name) == f"namespace/{name} created\n"
    assert kubectl("get", "ns", name, "--no-headers").split()[:2] == [name, "Active"]


def test_what_is_wrong_is_said(kubectl: Kubectl) -> None:
    """Unknown fields before anything is sent; refusals in the server's words."""
    unknown = kubectl("apply", "-f", "-", stdin=MANIFEST.replace("selector:", "selektor:"))
    assert 'strict decoding error: unknown field "spec.selektor"' in unknown
    refused = kubectl("apply", "-f", "-", stdin=MANIFEST.replace("port: 443", "port: 99443"))
    assert 'The Service "web" is invalid:' in refused
    assert "spec.ports[1].port: Invalid value: 99443: must be between 1 and 65535, inclusive" in refused


def test_watching_ends_with_its_time(kubectl: Kubectl, api: Wire) -> None:
    """`kubectl get -w`."""
    api.made("services", service("web", clusterIP="None"))
    shown = kubectl("get", "svc", "-w", "--request-timeout=2s")
    assert shown.splitlines()[1] == "web  ClusterIP  None  <none>  80/TCP  AGE"


def test_wait_and_explain(kubectl: Kubectl) -> None:
    """Two more that admins use in scripts."""
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    kubectl(
        "patch",
        "svc",
        "web",
        "--subresource=status",
        "-p",
        '{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}',
    )
    met = kubectl("wait", "svc/web", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}", "--timeout=10s")
    assert met == "service/web condition met\n"
    assert "FIELDS:" in kubectl("explain", "service.spec.ports") or "FIELDS:\n" in kubectl("explain", "svc.spec.ports")


def test_leases_and_endpoint_slices(kubectl: Kubectl) -> None:
    """Applied, printed and explained: what admins look at to see who leads and where pods are."""
    lease = """\
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: lead}
spec: {holderIdentity: host_1, leaseDurationSeconds: 15, renewTime: "2024-01-01T00:00:00.000000Z"}
"""
    slice_ = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1]}]
ports: [{port: 80}]
"""
    made = kubectl("apply", "-f", "-", stdin=f"{lease}---\n{slice_}")
    assert made == "lease.coordination.k8s.io/lead created\nendpointslice.discovery.k8s.io/web-1 created\n"
    assert kubectl("apply", "-f", "-", stdin=lease) == "lease.coordination.k8s.io/lead unchanged\n"
    moved = kubectl("apply", "-f", "-", stdin=slice_.replace("192.0.2.1", "192.0.2.2"))
    assert moved == "endpointslice.discovery.k8s.io/web-1 configured\n"
    assert kubectl("get", "leases") == "NAME  HOLDER  AGE\nlead  host_1  AGE\n"
    shown = "NAME  ADDRESSTYPE  PORTS  ENDPOINTS  AGE\nweb-1  IPv4  80  192.0.2.2  AGE\n"
    assert kubectl("get", "endpointslices", "-l", "kubernetes.io/service-name=web") == shown
    wrong = kubectl("apply", "-f", "-", stdin=lease.replace("15", "0"))
    assert 'The Lease "lead" is invalid: spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0' in wrong
    assert 'unknown field "spec.holder"' in kubectl("apply", "-f", "-", stdin=lease.replace("holderIdentity", "holder"))
    assert "FIELDS:" in kubectl("explain", "lease.spec")
    assert kubectl("delete", "lease", "lead") == 'lease.coordination.k8s.io "lead" deleted from SPACE namespace\n'
