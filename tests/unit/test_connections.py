"""Both ways to a pool, our own and the `kubernetes` package's, lead to the same server as the same user."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from lbctl.kube import connections
from lbctl.kube.api import Kube
from lbctl.kube.transport import connect
from tests.unit.loopback import empty_list, kubeconfig, loopback
from tests.unit.test_transport_refusals import ca_file, serving


@pytest.mark.parametrize("way", ["own", "package"])
@pytest.mark.parametrize("inline", [False, True])
def test_both_ways_present_the_same_certificate_and_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, *, inline: bool
) -> None:
    """Client certificate, as files or inline, token, CA and the certificate's other name: the server sees them all."""
    if way == "package":
        monkeypatch.setattr(connections, "PLAIN_USER", frozenset())
    ca = trustme.CA()
    tls = serving(ca, "api.example.com")
    tls.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(tls)
    mine = ca.issue_cert("me@example.com")
    certificate, key = tmp_path / "me.crt", tmp_path / "me.key"
    mine.cert_chain_pems[0].write_to_path(certificate)
    mine.private_key_pem.write_to_path(key)
    if inline:
        user = {
            "client-certificate-data": connections.inline(certificate.read_text()),
            "client-key-data": connections.inline(key.read_text()),
        }
    else:
        user = {"client-certificate": str(certificate), "client-key": str(key)}
    with loopback(empty_list(), tls=tls) as server:
        path = kubeconfig(
            tmp_path / "config",
            server.url,
            user={**user, "token": "t0ken"},
            certificate_authority=ca_file(tmp_path, ca),
            tls_server_name="api.example.com",
        )
        kube = Kube(connect(str(path)))
        assert kube.list_services().items == []
        assert kube.list_services().items == []  # on the connection that is open by now
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer t0ken"] * 2
        assert server.connections == 1


@pytest.mark.parametrize(("proxy", "imported"), [("", False), ("http://127.0.0.1:1", True)])
def test_the_package_is_imported_where_it_is_needed_only(tmp_path: Path, proxy: str, *, imported: bool) -> None:
    """A certificate or token on a direct way does without the longest import of a start."""
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:1", proxy_url=proxy)
    code = (
        f"import sys; from lbctl.kube.transport import connect; connect({str(path)!r}); "
        "print('kubernetes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"HOME": "/"})
    assert done.stdout == f"{imported}\n"
