"""The namespace lbctl-system is made on first use, and it is said; a dry run says so too, and makes nothing."""

from __future__ import annotations

from tests.stage import stage

NAMESPACE = "/api/v1/namespaces/lbctl-system"
DONE = "default/web 192.0.2.200 (Assigned)"


def test_first_use() -> None:
    """Reading needs no namespace; the first assign makes it, the second has nothing to say."""
    with stage() as here:
        here.api.request("DELETE", NAMESPACE)
        here.service("web")
        here.service("api")
        assert str(here.run("claims", "list")) == "--- stderr ---\nthere are no claims\n"
        dry = here.run("assign", "web", "--dry-run=server")
        assert (dry.out, dry.code) == (f"{DONE} (server dry run)\n", 0)
        assert dry.err == "would make the namespace lbctl-system, which holds lbctl's claims\n"
        assert here.api.request("GET", NAMESPACE)[0] == 404
        said = here.run("assign", "web")
        assert (said.out, said.code) == (f"{DONE}\n", 0)
        assert said.err == "made the namespace lbctl-system, which holds lbctl's claims\n"
        assert str(here.run("assign", "api")) == "default/api 192.0.2.201 (Assigned)\n"
