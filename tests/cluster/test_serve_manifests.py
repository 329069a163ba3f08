"""examples/kubernetes/serve on a real API server: it takes the manifests, and its pods hold the strictest standard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.examples.test_deployment import SERVE
from tests.testbed.driver import Hand

pytestmark = pytest.mark.cluster

ACCOUNT = "system:serviceaccount:lbctl-system:lbctl-serve"


@pytest.fixture(scope="module")
def made() -> dict[str, dict[str, Any]]:
    """Filled by the first test that runs kustomize: the manifests by their kinds."""
    return {}


def kustomized(bed: Hand, made: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What `kubectl kustomize` makes of them."""
    if not made:
        made |= {item["kind"]: item for item in yaml.safe_load_all(bed.kubectl("kustomize", str(SERVE)))}
    return made


def test_kustomize_makes_what_the_readme_says(bed: Hand, made: dict[str, dict[str, Any]]) -> None:
    """The pool file in a ConfigMap of a name that stays, an image with a tag, everything in lbctl-system."""
    found = kustomized(bed, made)
    assert found["ConfigMap"]["metadata"] == {"name": "lbctl-pools", "namespace": "lbctl-system"}
    assert found["ConfigMap"]["data"] == {"pools.yaml": (SERVE / "pools.yaml").read_text()}
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("lbctl:")
    spaces = {item["metadata"].get("namespace", "lbctl-system") for item in found.values()}
    assert spaces == {"lbctl-system"}


def test_the_api_server_takes_them(bed: Hand) -> None:
    """A dry run on the server goes all the way of a write: schema, defaults, validation, admission."""
    out = bed.kubectl("apply", "-k", str(SERVE), "--dry-run=server", "--validate=strict")
    names = {line.split()[0] for line in out.splitlines()}
    assert names >= {
        "deployment.apps/lbctl-serve",
        "configmap/lbctl-pools",
        "role.rbac.authorization.k8s.io/lbctl-serve",
    }
    assert all(line.endswith("(server dry run)") for line in out.splitlines())


def test_its_pods_are_admitted_where_the_restricted_standard_is_enforced(
    bed: Hand, made: dict[str, dict[str, Any]]
) -> None:
    """Pod Security's strictest; the same pod as root is not, so the standard is in force."""
    template = kustomized(bed, made)["Deployment"]["spec"]["template"]
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lbctl-test-restricted"}}
    space["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}  # type: ignore[index]
    bed.kubectl("apply", "-f", "-", stdin=json.dumps(space))
    path = "/api/v1/namespaces/lbctl-test-restricted/pods?dryRun=All"
    spec = {**template["spec"], "serviceAccountName": "default"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "serve"}, "spec": spec}
    try:
        status, answer = bed.admin.request("POST", path, pod)
        assert status == 201, answer
        pod["spec"] = {**spec, "securityContext": {**spec["securityContext"], "runAsNonRoot": False, "runAsUser": 0}}
        status, answer = bed.admin.request("POST", path, pod)
        assert status == 403, answer
        assert "restricted" in answer["message"]
    finally:
        bed.kubectl("delete", "namespace", "lbctl-test-restricted", "--wait=false")


@pytest.fixture
def account(bed: Hand) -> Iterator[None]:
    """The Role and its bindings, for as long as a test takes."""
    bed.kubectl("apply", "-n", "lbctl-system", "-f", str(SERVE / "rbac.yaml"))
    yield
    bed.kubectl("delete", "-n", "lbctl-system", "-f", str(SERVE / "rbac.yaml"))


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("verb", "resource", "namespace", "may"),
    [
        ("watch", "services", "default", "yes"),
        ("patch", "services/status", "default", "yes"),
        ("update", "configmaps", "lbctl-system", "yes"),
        ("update", "leases.coordination.k8s.io", "lbctl-system", "yes"),
        ("create", "events", "default", "yes"),
        ("patch", "services", "default", "no"),
        ("get", "configmaps", "default", "no"),
        ("get", "secrets", "lbctl-system", "no"),
        ("delete", "configmaps", "lbctl-system", "no"),
        ("create", "namespaces", "default", "no"),
    ],
)
def test_its_account_may_do_this_and_no_more(bed: Hand, verb: str, resource: str, namespace: str, may: str) -> None:
    """As the API server's authorizer sees it."""
    resource, _, sub = resource.partition("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": ACCOUNT,
            "resourceAttributes": {
                "verb": verb,
                "resource": resource.partition(".")[0],
                "group": resource.partition(".")[2],
                "subresource": sub,
                "namespace": namespace,
            },
        },
    }
    status, answer = bed.admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert status == 201, answer
    assert answer["status"]["allowed"] is (may == "yes")
