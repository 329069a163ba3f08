"""examples/kubernetes/arp-announce on a real API server: it takes them, and the account may do what it must."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.examples.test_announcer import HERE, pod
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster

ACCOUNT = "system:serviceaccount:lbctl-announcer:lbctl-announcer"
SPACE = "lbctl-announcer"


@pytest.fixture(scope="module", name="space")
def _space(_bed: Hand) -> Iterator[None]:
    """The namespace of the pods, and the account with its Roles, for all of these tests."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "labels": labels}}
    _bed.kubectl("apply", "-f", "-", stdin=json.dumps(item))
    _bed.kubectl("apply", "-f", str(HERE / "rbac.yaml"))
    yield
    _bed.kubectl("delete", "-f", str(HERE / "rbac.yaml"))
    _bed.kubectl("delete", "namespace", SPACE, "--wait=false")


@pytest.mark.usefixtures("space")
def test_the_api_server_takes_them(bed: Hand) -> None:
    """A dry run on the server goes all the way of a write: schema, defaults, validation, admission."""
    out = bed.kubectl("apply", "-k", str(HERE), "--dry-run=server", "--validate=strict")
    names = {line.split()[0] for line in out.splitlines()}
    assert names >= {"daemonset.apps/lbctl-announcer", "configmap/lbctl-pools", "namespace/lbctl-system"}
    assert all(line.endswith("(server dry run)") for line in out.splitlines())


@pytest.mark.usefixtures("space")
def test_its_pods_are_admitted_in_their_namespace_alone(bed: Hand) -> None:
    """Where the restricted standard is enforced, as in lbctl-system, they are refused."""
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "announcer"}}
    spec = {**pod(), "serviceAccountName": "default", "priorityClassName": ""}
    path = f"/api/v1/namespaces/{SPACE}/pods?dryRun=All"
    status, answer = bed.admin.request("POST", path, {**item, "spec": spec})
    assert status == 201, answer
    label = "pod-security.kubernetes.io/enforce=restricted"
    bed.kubectl("label", "namespace", SPACE, label, "--overwrite")
    status, answer = bed.admin.request("POST", path, {**item, "spec": spec})
    assert status == 403, answer
    assert "restricted" in answer["message"]


@pytest.mark.usefixtures("space")
@pytest.mark.parametrize(
    ("verb", "resource", "namespace", "may"),
    [
        ("watch", "services", "default", True),
        ("watch", "nodes", "", True),
        ("watch", "endpointslices.discovery.k8s.io", "default", True),
        ("update", "leases.coordination.k8s.io", "lbctl-system", True),
        ("create", "events", "default", True),
        ("patch", "services/status", "default", False),
        ("update", "configmaps", "lbctl-system", False),
        ("get", "secrets", "lbctl-system", False),
        ("update", "leases.coordination.k8s.io", "kube-system", False),
        ("patch", "nodes", "", False),
    ],
)
def test_its_account_may_do_this_and_no_more(bed: Hand, verb: str, resource: str, namespace: str, may: bool) -> None:
    """As the API server's authorizer sees it."""
    resource, _, sub = resource.partition("/")
    name, _, group = resource.partition(".")
    asked = {"verb": verb, "resource": name, "group": group, "subresource": sub, "namespace": namespace}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": ACCOUNT, "resourceAttributes": asked},
    }
    status, answer = bed.admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert status == 201, answer
    assert answer["status"]["allowed"] is may
