"""What the real API server says to who may not, and to whom it does not know; and logins that it accepts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.config import find_place
from lbctl.kube.login import Session
from lbctl.kube.transport import KubeTransport, connect
from tests.testbed.driver import RBAC, Bed

ROOT = Path(__file__).parents[2]
NAMESPACE = "lbctl-system"
pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    """A control plane with one pending Service, and jane, who may all that lbctl needs but publish."""
    with Bed() as started:
        started.kubectl("apply", "-f", str(ROOT / "examples/test-svc-1.yaml"))
        started.kubectl("create", "clusterrole", "look", "--verb=get,list", "--resource=services,nodes")
        started.kubectl("create", "clusterrolebinding", "jane", "--clusterrole=look", "--user=jane")
        started.kubectl("create", "rolebinding", "jane", "-n", NAMESPACE, "--role=lbctl", "--user=jane")
        yield started


def kubeconfig(bed: Bed, path: Path, user: Mapping[str, Any], **cluster: str) -> Path:
    """The bed's kubeconfig with another user, or another cluster stanza."""
    document = yaml.safe_load(bed.kubeconfig.read_text())
    document["users"] = [{"name": name, "user": dict(user)} for name in ("admin", "lbctl")]
    document["clusters"][0]["cluster"].update({k.replace("_", "-"): v for k, v in cluster.items()})
    path.write_text(json.dumps(document))
    return path


def lbctl(path: Path, *words: str) -> tuple[str, int]:
    """Run the installed lbctl: stderr and exit code."""
    command = [str(Path(sys.executable).parent / "lbctl"), *words, f"--kubeconfig={path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr, done.returncode


def test_unknown_token(bed: Bed, tmp_path: Path) -> None:
    """A token that the API server does not know is exit 4, with the user whose it is."""
    path = kubeconfig(bed, tmp_path / "config", {"token": "s3cr3t-and-expired"})
    assert lbctl(path, "claims", "list") == (
        f'error: {bed.url} does not accept the credentials of user "admin" in {path}: '
        "they have expired, or it does not know them\n"
        f"hint: log in again or renew them, then try: kubectl --kubeconfig={path} auth whoami\n",
        4,
    )


def test_nobody(bed: Bed, tmp_path: Path) -> None:
    """Without credentials the API server takes us for anonymous; lbctl says that nobody is logged in."""
    path = kubeconfig(bed, tmp_path / "config", {})
    stderr, code = lbctl(path, "claims", "list")
    assert stderr.startswith(f"error: you may not list configmaps in namespace {NAMESPACE} at {bed.url}, because you ")
    assert code == 4


def test_forbidden_verb(bed: Bed, tmp_path: Path) -> None:
    """Who may claim but not publish is told the verb, the resource and the namespace."""
    path = kubeconfig(bed, tmp_path / "config", {"token": "admin", "as": "jane"})
    assert lbctl(path, "claims", "list") == ("there are no claims\n", 0)
    pools = f"--pools={ROOT / 'examples/pools/simple.yaml'}"
    assert lbctl(path, "assign", "default/test-svc-1", pools) == (
        f'error: you may not patch services/status in namespace default at {bed.url} as user "jane"\n'
        "hint: examples/kubernetes/rbac.yaml holds the Role to ask for; "
        f"kubectl --kubeconfig={path} auth can-i patch services --subresource=status -n default\n",
        4,
    )


def test_wrong_ca(bed: Bed, tmp_path: Path) -> None:
    """A cluster that was built anew has another CA: the URL and the CA that was believed are named."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    path = kubeconfig(bed, tmp_path / "config", {"token": "admin"}, certificate_authority=str(tmp_path / "ca.crt"))
    assert lbctl(path, "claims", "list") == (
        f"error: the certificate of the API server at {bed.url} is not signed by {tmp_path}/ca.crt\n"
        "hint: another or a rebuilt cluster? Take its kubeconfig anew\n",
        4,
    )


def test_terminating_namespace(bed: Bed, tmp_path: Path) -> None:
    """While lbctl-system is being deleted an assign says so and does nothing."""
    path = kubeconfig(bed, tmp_path / "config", {"token": "lbctl"})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    bed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")  # stays so: the bed has no namespace controller
    try:
        with pytest.raises(errors.NamespaceTerminating) as caught:
            Kube(connect(str(path))).create_configmap(NAMESPACE, body)
    finally:
        empty = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}, "spec": {"finalizers": []}}
        finalize = f"/api/v1/namespaces/{NAMESPACE}/finalize"
        bed.kubectl("replace", "--raw", finalize, "-f", "-", stdin=json.dumps(empty))
        bed.kubectl("apply", "-f", str(RBAC))
    assert caught.value.message == (
        f"the namespace {NAMESPACE} at {bed.url} is being deleted, so nothing can be made in it"
    )
    assert caught.value.hint == (
        f"wait until it is gone: kubectl --kubeconfig={path} wait --for=delete namespace/{NAMESPACE}"
    )


def test_words_of_the_api_server(bed: Bed) -> None:
    """What the layers above act on comes as its own type: gone, there already, changed meanwhile, invalid."""
    kube = Kube(connect(str(bed.kubeconfig)))
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}}
    with pytest.raises(errors.NotFound):
        kube.get_service("default", "nobody")
    made = kube.create_configmap("default", body).object
    with pytest.raises(errors.Conflict):
        kube.create_configmap("default", body)
    version = made["metadata"]["resourceVersion"]
    kube.replace_configmap("default", "words", {**body, "data": {"a": "b"}}, version)
    with pytest.raises(errors.Conflict):
        kube.replace_configmap("default", "words", body, version)
    with pytest.raises(errors.Invalid):
        kube.create_configmap("default", {**body, "metadata": {"name": "No Name"}})


def test_service_account_of_a_pod(bed: Bed, tmp_path: Path) -> None:
    """With what a pod has mounted lbctl speaks as its service account."""
    (tmp_path / "token").write_text(bed.kubectl("create", "token", "lbctl", "-n", NAMESPACE))
    (tmp_path / "namespace").write_text(NAMESPACE)
    authority = yaml.safe_load(bed.kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority"]
    (tmp_path / "ca.crt").write_bytes(Path(authority).read_bytes())
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": bed.url.rpartition(":")[2]}
    place = find_place(None, None, env, tmp_path, service_account=tmp_path)
    transport = KubeTransport(Session(place, 5.0), 5.0)
    assert "kubernetes" in {s["metadata"]["name"] for s in Kube(transport).list_services().items}
    assert transport.namespace == NAMESPACE
    with pytest.raises(errors.Forbidden) as caught:
        Kube(transport).create_configmap("default", {"metadata": {"name": "a"}})
    assert f'as user "system:serviceaccount:{NAMESPACE}:lbctl"' in caught.value.message
