"""A cluster that somebody lends (LBCTL_TEST_KUBECONFIG) is left as it was; the lender here is a test bed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lbctl.kube.api import Kube
from lbctl.kube.errors import Forbidden
from lbctl.kube.transport import connect
from tests.conftest import started
from tests.testbed.borrowed import Borrowed, NotToBeBorrowed
from tests.testbed.driver import ROOT, SERVICES, Bed, service

pytestmark = pytest.mark.cluster

POOLS = f"--pools={ROOT / 'examples/pools/simple.yaml'}"


@pytest.fixture(scope="module")
def lender() -> Iterator[Bed]:
    """A cluster with a Service of its owner's."""
    with started(Bed) as bed:
        theirs = service("theirs", kind="ClusterIP")
        del theirs["metadata"]["labels"]
        bed.admin.request("POST", SERVICES, theirs)
        yield bed


def test_what_tests_make_goes_and_what_they_found_stays(lender: Bed) -> None:
    """lbctl works there as the least Role; afterwards there are neither test Services nor claims, and theirs stands."""
    with Borrowed(str(lender.kubeconfig)) as bed:
        bed.kubectl("apply", "-f", str(ROOT / "examples/test-svc-1.yaml"))
        bed.admin.request("POST", SERVICES, service("web"))
        assert bed.run("assign", "--all", POOLS)[1:] == ("", 0)
        assert bed.held() == bed.shown() != {}
        with pytest.raises(Forbidden, match='as user "lbctl"'):
            Kube(connect(str(bed.kubeconfig), "lbctl")).create_configmap("default", {"metadata": {"name": "a"}})
    assert [i["metadata"]["name"] for i in lender.admin.get(SERVICES)["items"]] == ["kubernetes", "theirs"]
    assert lender.claims() == {}


def test_what_such_a_cluster_cannot_give_is_skipped_with_a_sentence(lender: Bed) -> None:
    """Nobody stops the servers of a cluster that was lent."""
    with Borrowed(str(lender.kubeconfig)) as bed, pytest.raises(pytest.skip.Exception) as skipped:
        bed.apiserver.kill()
    assert str(skipped.value) == (
        "NOT RUN: it needs apiserver of the test bed, which the cluster in LBCTL_TEST_KUBECONFIG does not give"
    )


def test_a_cluster_in_use_is_not_taken(lender: Bed) -> None:
    """Neither where lbctl keeps claims, nor where a pending Service would be given a test's address."""
    web = service("web")
    del web["metadata"]["labels"]
    lender.admin.request("POST", SERVICES, web)
    words = "it has LoadBalancer Services, to which the tests would give addresses: default/web"
    with pytest.raises(NotToBeBorrowed, match=words), Borrowed(str(lender.kubeconfig)):
        pass
    lender.run("assign", "web", POOLS)
    words = "lbctl is in use there: 1 blocks of claims in lbctl-system"
    with pytest.raises(NotToBeBorrowed, match=words), Borrowed(str(lender.kubeconfig)):
        pass
    assert lender.held() == lender.shown() != {}
