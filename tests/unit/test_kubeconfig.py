"""Which cluster and who we are: the places looked in, merging, and a sentence and a hint for each way to fail."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from lbctl.errors import ClusterError
from lbctl.kube.config import LOOK, Place, find_place
from lbctl.kube.login import log_in
from tests.unit.loopback import kubeconfig, told


def refused(flag: Path | None, context: str | None = None, **env: str) -> str:
    """What the user reads when there is no place."""
    with pytest.raises(ClusterError) as caught:
        find_place(str(flag) if flag else None, context, env, Path("/nowhere"), service_account=Path("/nowhere/sa"))
    assert caught.value.exit_code == 4
    return told(caught.value)


def not_let_in(path: Path) -> str:
    """What the user reads when the place is found and no login comes of it."""
    place = find_place(str(path), None, {}, Path("/nowhere"))
    with pytest.raises(ClusterError) as caught:
        log_in(place, 5.0, 0.0)
    assert caught.value.exit_code == 4
    return told(caught.value)


def named(name: str, **keys: Any) -> list[dict[str, Any]]:
    """A kubeconfig's list of one entry: `named("a", user={})`."""
    return [{"name": name, **keys}]


def merged(*paths: Path, context: str | None = None) -> Place:
    """The place that KUBECONFIG with these files gives."""
    return find_place(None, context, {"KUBECONFIG": os.pathsep.join(map(str, paths))}, Path("/nowhere"))


def test_no_kubeconfig_names_the_places_looked_in() -> None:
    """Without any kubeconfig the error lists where one was looked for."""
    assert refused(None) == (
        "error: there is no kubeconfig: looked for /nowhere/.kube/config, and this is no pod with a service account\n"
        "hint: name one with --kubeconfig or KUBECONFIG; kubeadm's is /etc/kubernetes/admin.conf, "
        "k3s's is /etc/rancher/k3s/k3s.yaml\n"
    )
    listed = os.pathsep.join(["/nowhere/a", "", "/nowhere/b"])
    assert "KUBECONFIG names /nowhere/a, /nowhere/b, and" in refused(None, KUBECONFIG=listed)


def test_unknown_context_lists_those_there_are(tmp_path: Path) -> None:
    """A context that is not there is named, and the hint lists what could be meant."""
    path = kubeconfig(tmp_path / "config")
    assert refused(path, "prodd") == (
        f'error: there is no context "prodd" in {path}\nhint: choose one with --context: here\n'
    )


def test_no_current_context(tmp_path: Path) -> None:
    """A kubeconfig without current-context asks for --context."""
    path = tmp_path / "config"
    path.write_text(json.dumps({"contexts": named("b") + named("a")}))
    assert refused(path) == f"error: {path} has no current-context\nhint: choose one with --context: a, b\n"
    path.write_text("")
    assert refused(path) == f"error: {path} has no current-context\nhint: {LOOK}\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a:\n  b: c: d", "PATH:2:7: no kubeconfig: mapping values are not allowed in this context"),
        ("- a\n- b\n", "PATH: no kubeconfig: it holds no mapping"),
        ("users: [{user: {}}]\n", "PATH: no kubeconfig: users must be a list of `name` and `user`"),
        ("contexts: {a: b}\n", "PATH: no kubeconfig: contexts must be a list of `name` and `context`"),
        ("a: \udcff\n", "PATH: no kubeconfig: it is not text"),
    ],
)
def test_broken_file_is_named_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    """A kubeconfig that can't be read says which file, where, and what is wrong with it."""
    path = tmp_path / "config"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert refused(path).splitlines()[0] == "error: " + sentence.replace("PATH", str(path))


def test_missing_and_unreadable_file(tmp_path: Path) -> None:
    """--kubeconfig must name a file that can be read; nothing else is tried in its stead."""
    assert refused(tmp_path / "gone") == (
        f"error: the kubeconfig {tmp_path}/gone cannot be read: No such file or directory\n"
        "hint: name another with --kubeconfig or KUBECONFIG\n"
    )
    assert f"error: the kubeconfig {tmp_path} cannot be read: Is a directory\n" in refused(tmp_path)


def test_file_that_is_there_and_cannot_be_read(tmp_path: Path) -> None:
    """A kubeconfig that is there but can't be opened is an error, not a reason to look elsewhere."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert f"error: the kubeconfig {loop} cannot be read: Too many levels" in refused(None, KUBECONFIG=str(loop))


def test_context_without_its_cluster_or_user(tmp_path: Path) -> None:
    """A context that names what is not there says so, and what is there."""
    path = tmp_path / "config"
    contexts = named("here", context={"cluster": "x", "user": "y"})
    document: dict[str, Any] = {"current-context": "here", "contexts": contexts}
    path.write_text(json.dumps(document))
    assert refused(path) == (
        f'error: the context "here" in {path} names the cluster "x", which is not there\n'
        "hint: clusters there are: none\n"
    )
    document["clusters"] = named("x", cluster={"server": "https://192.0.2.1:6443"})
    path.write_text(json.dumps({**document, "users": named("z", user={})}))
    assert refused(path) == (
        f'error: the context "here" in {path} names the user "y", which is not there\nhint: users there are: z\n'
    )


@pytest.mark.parametrize(
    "server", ["", "cluster.example.com:6443", "https://", "https://a b", "https://h:x", "ftp://h"]
)
def test_server_must_be_a_url(tmp_path: Path, server: str) -> None:
    """A cluster's server that is no http or https URL is refused before anything is sent."""
    path = kubeconfig(tmp_path / "config", server)
    assert refused(path) == (
        f'error: the server of cluster "c" in {path} is no URL of an API server\nhint: write it as https://HOST:6443\n'
    )


def test_files_are_merged_as_kubectl_does(tmp_path: Path) -> None:
    """Of several files the first that has a name or the current-context wins, and paths are relative to their file."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = tmp_path / "a" / "config", tmp_path / "b" / "config"
    contexts = named("one", context={"cluster": "c", "user": "u"})
    first.write_text(json.dumps({"current-context": "one", "contexts": contexts}))
    clusters = named("c", cluster={"server": "https://192.0.2.1:6443/", "certificate-authority": "ca.crt"})
    other = named("one", context={"cluster": "wrong"})
    users = named("u", user={"tokenFile": "token", "exec": {"command": "./login"}})
    second.write_text(json.dumps({"current-context": "x", "contexts": other, "clusters": clusters, "users": users}))
    place = merged(first, tmp_path / "gone", second)
    assert (place.server, place.namespace, place.user_name) == ("https://192.0.2.1:6443", "default", "u")
    assert place.cluster["certificate-authority"] == f"{tmp_path}/b/ca.crt"
    assert place.user == {"tokenFile": f"{tmp_path}/b/token", "exec": {"command": f"{tmp_path}/b/login"}}
    assert (place.source, place.kubectl) == (str(second), "kubectl")


def test_names_and_tokens_stay_text(tmp_path: Path) -> None:
    """YAML's numbers, dates and yes and no are names and tokens here, as kubectl reads them."""
    path = tmp_path / "config"
    path.write_text(
        "current-context: 010\n"
        "contexts: [{name: 010, context: {cluster: no, user: 2024-01-01, namespace: 1_0}}]\n"
        "clusters: [{name: no, cluster: {server: 'https://192.0.2.1', insecure-skip-tls-verify: true}}]\n"
        "users: [{name: 2024-01-01, user: {token: 0123, exec: null}}]\n"
    )
    place = merged(path)
    assert (place.namespace, place.user["token"], place.user["exec"]) == ("1_0", "0123", None)
    assert place.cluster["insecure-skip-tls-verify"] is True


def test_context_chosen_by_flag_is_in_every_hint(tmp_path: Path) -> None:
    """Hints name the kubectl command that means the same place as the flags did."""
    path = kubeconfig(tmp_path / "my config")
    place = find_place(str(path), "here", {}, Path("/nowhere"))
    assert place.kubectl == f"kubectl --kubeconfig='{path}' --context=here"
    assert (place.namespace, "s3cr3t" in repr(place)) == ("prod", False)


def test_in_a_pod_the_service_account_is_who_we_are(tmp_path: Path) -> None:
    """Without a kubeconfig a pod's mounted service account gives server, token, CA and namespace."""
    for name, text in (("token", "t\n"), ("ca.crt", ""), ("namespace", "lbctl-system\n")):
        (tmp_path / name).write_text(text)
    env = {"KUBERNETES_SERVICE_HOST": "2001:db8::1", "KUBERNETES_SERVICE_PORT": "443"}
    place = find_place(None, None, env, Path("/nowhere"), service_account=tmp_path)
    assert (place.server, place.namespace) == ("https://[2001:db8::1]:443", "lbctl-system")
    assert place.user == {"tokenFile": f"{tmp_path}/token"}
    assert place.authority == f"{tmp_path}/ca.crt"


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    """A certificate file that is missing or no certificate is named, as is broken data in the kubeconfig."""
    path = kubeconfig(tmp_path / "config", certificate_authority="ca.crt")
    assert not_let_in(path) == (
        f"error: the certificate-authority {tmp_path}/ca.crt that {path} names cannot be read: "
        "No such file or directory\nhint: correct the path\n"
    )
    (tmp_path / "ca.crt").write_text("nothing")
    assert not_let_in(path) == f"error: {tmp_path}/ca.crt is no certificate\nhint: take the cluster's kubeconfig anew\n"
    kubeconfig(path, certificate_authority_data="?")
    assert f"error: the certificate-authority-data in {path} is no certificate or key\n" in not_let_in(path)
    kubeconfig(path, certificate_authority_data=base64.b64encode(b"x").decode())
    assert f'error: certificate-authority-data of cluster "c" in {path} is no certificate\n' in not_let_in(path)
    kubeconfig(path, user={"client-certificate-data": base64.b64encode(b"x").decode()})
    assert f'error: user "me" in {path} has no client-key to go with the other half\n' in not_let_in(path)


def test_token_that_cannot_be_sent_is_not_shown(tmp_path: Path) -> None:
    """A token with blanks inside, or an empty or missing token file, is refused without being quoted."""
    path = kubeconfig(tmp_path / "config", user={"token": "s3cr3t\nsmuggled: x"})
    assert not_let_in(path) == f'error: the token of user "me" in {path} is empty or not one word\nhint: log in again\n'
    kubeconfig(path, user={"tokenFile": "token"})
    assert not_let_in(path) == (
        f'error: the token file {tmp_path}/token of user "me" in {path} cannot be read: No such file or directory\n'
        "hint: log in again\n"
    )
    (tmp_path / "token").write_text("\n")
    assert "is empty or not one word" in not_let_in(path)
