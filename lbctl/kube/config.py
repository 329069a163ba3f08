"""Which cluster, and who we are there: kubeconfig files merged as kubectl merges them, or the pod's service account.

Reads files and decides; connects to nothing. The `kubernetes` package is not asked to merge: it lets the last
current-context win where kubectl lets the first, and resolves a user's paths against the cluster's file.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from lbctl.errors import ClusterError
from lbctl.kube.errors import NoKubeconfig

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where every pod has it mounted
LOOK = "kubectl config view shows how one looks"

# Paths in a stanza are relative to the file that the stanza stands in.
PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


@dataclass(frozen=True, slots=True)
class Place:
    """One cluster and who we are there.

    `cluster` and `user` are the kubeconfig's stanzas with absolute paths; `source` says where they stand; `kubectl` is
    the kubectl command that means the same place, for hints.
    """

    server: str
    namespace: str
    source: str
    cluster_name: str
    user_name: str
    cluster: Mapping[str, Any] = field(repr=False)
    user: Mapping[str, Any] = field(repr=False)
    kubectl: str = "kubectl"

    @property
    def who(self) -> str:
        """The user in words."""
        if self.user_name:
            return f'user "{self.user_name}" in {self.source}'
        return f"the context in {self.source}, which names no user,"

    def acting_as(self, user: str) -> Place:
        """The same place as somebody whom our user may impersonate."""
        kubectl = f"{self.kubectl} --as={shlex.quote(user)}"
        return replace(self, user={**self.user, "as": user}, kubectl=kubectl)

    @property
    def authority(self) -> str:
        """What the server's certificate is checked against, in words."""
        if self.cluster.get("certificate-authority-data"):
            return f'certificate-authority-data of cluster "{self.cluster_name}" in {self.source}'
        return str(self.cluster.get("certificate-authority") or "the CAs of this system")


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML is also built without libyaml


class _Text(_LOADER):  # type: ignore[misc] # because it is one of two classes
    """YAML where only null, true and false are not text: a token of digits stays a token, a context `no` its name."""


_Text.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] in ("null", "merge")]
    for first, known in _LOADER.yaml_implicit_resolvers.items()
}
_Text.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)


def find_place(
    kubeconfig: str | None,
    context: str | None,
    env: Mapping[str, str],
    home: Path,
    *,
    service_account: Path = SERVICE_ACCOUNT,
) -> Place:
    """The place that `--kubeconfig` and `--context`, KUBECONFIG, ~/.kube/config or the pod give, first match wins.

    Raises NoKubeconfig with the places looked in, or ClusterError with the path of the file that can't be used.
    """
    if kubeconfig:
        return _from_files([Path(os.path.expanduser(kubeconfig))], kubeconfig, context)
    listed = [Path(os.path.expanduser(p)) for p in env.get("KUBECONFIG", "").split(os.pathsep) if p]
    looked = listed or [home / ".kube" / "config"]
    found = [path for path in looked if not _missing(path)]
    if found:
        return _from_files(found, None, context)
    if env.get("KUBERNETES_SERVICE_HOST") and not _missing(service_account / "token") and not context:
        return _in_pod(env, service_account)
    why = "KUBECONFIG names" if listed else "looked for"
    raise NoKubeconfig(
        f"there is no kubeconfig: {why} {', '.join(map(str, looked))}, and this is no pod with a service account",
        hint="name one with --kubeconfig or KUBECONFIG; kubeadm's is /etc/kubernetes/admin.conf, "
        "k3s's is /etc/rancher/k3s/k3s.yaml",
    )


def _missing(path: Path) -> bool:
    """Whether there is no such file; one that can't be looked at is there, and reading it says why not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _in_pod(env: Mapping[str, str], mounted: Path) -> Place:
    """The service account of this pod; its token is a file that the kubelet rotates."""
    host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT") or "443"
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    cluster = {"server": server, "certificate-authority": str(mounted / "ca.crt")}
    user = {"tokenFile": str(mounted / "token")}
    try:
        namespace = (mounted / "namespace").read_text().strip()
    except OSError:
        namespace = ""  # because only automounted tokens bring the file; a projected one need not
    return Place(server, namespace or "default", str(mounted), "", "service account", cluster, user)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named stanza and the file it stands in."""

    stanza: Mapping[str, Any]
    path: Path


@dataclass(slots=True)
class _Merged:
    """Several kubeconfig files as one: for each name, and for current-context, the first file that has it wins."""

    paths: Sequence[Path]
    current: str = ""
    clusters: dict[str, _Entry] = field(default_factory=dict)
    contexts: dict[str, _Entry] = field(default_factory=dict)
    users: dict[str, _Entry] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        """Read one more file."""
        document = _load(path)
        self.current = self.current or str(document.get("current-context") or "")
        for kind, known in (("cluster", self.clusters), ("context", self.contexts), ("user", self.users)):
            for name, stanza in _named(document.get(f"{kind}s"), kind, path):
                known.setdefault(name, _Entry(_absolute(stanza, path.absolute().parent), path))

    @property
    def source(self) -> str:
        """The files in words."""
        return ", ".join(map(str, self.paths))


def _from_files(paths: Sequence[Path], flag: str | None, wanted: str | None) -> Place:
    merged = _Merged(paths)
    for path in paths:
        merged.add(path)
    name = wanted or merged.current
    if not name:
        raise ClusterError(f"{merged.source} has no current-context", hint=_choose("context", merged.contexts))
    if name not in merged.contexts:
        raise ClusterError(f'there is no context "{name}" in {merged.source}', hint=_choose("context", merged.contexts))
    stanza, path = merged.contexts[name].stanza, merged.contexts[name].path
    cluster = _referred(merged.clusters, "cluster", stanza, name, path)
    user_name = str(stanza.get("user") or "")
    user = _referred(merged.users, "user", stanza, name, path) if user_name else _Entry({}, path)
    kubectl = "kubectl" + (f" --kubeconfig={shlex.quote(flag)}" if flag else "")
    return Place(
        server=_server(cluster, str(stanza["cluster"])),
        namespace=str(stanza.get("namespace") or "default"),
        source=str(user.path if user_name else path),
        cluster_name=str(stanza["cluster"]),
        user_name=user_name,
        cluster=cluster.stanza,
        user=user.stanza,
        kubectl=kubectl + (f" --context={shlex.quote(wanted)}" if wanted else ""),
    )


def _referred(known: Mapping[str, _Entry], kind: str, context: Mapping[str, Any], name: str, path: Path) -> _Entry:
    wanted = str(context.get(kind) or "")
    if wanted in known:
        return known[wanted]
    names = f'names the {kind} "{wanted}", which is not there' if wanted else f"names no {kind}"
    raise ClusterError(f'the context "{name}" in {path} {names}', hint=f"{kind}s there are: {_all(known)}")


def _server(cluster: _Entry, name: str) -> str:
    text = str(cluster.stanza.get("server") or "").rstrip("/")
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:
        good = False
    if good and text.isprintable() and " " not in text and "@" not in text:
        return text
    raise ClusterError(
        f'the server of cluster "{name}" in {cluster.path} is no URL of an API server',
        hint="write it as https://HOST:6443",
    )


def _load(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.load(text, Loader=_Text)  # noqa: S506 because it is a safe loader that knows fewer types
    except OSError as bad:
        raise ClusterError(
            f"the kubeconfig {path} cannot be read: {bad.strerror}", hint="name another with --kubeconfig or KUBECONFIG"
        ) from bad
    except (yaml.YAMLError, ValueError) as bad:
        mark, problem = getattr(bad, "problem_mark", None), getattr(bad, "problem", None) or "it is not text"
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ClusterError(f"{place}: no kubeconfig: {problem}", hint="it has to be YAML") from bad
    if document is None:
        return {}  # because kubectl takes an empty file for one without contexts
    if not isinstance(document, dict):
        raise ClusterError(
            f"{path}: no kubeconfig: it holds no mapping", hint="kubectl config view shows how one looks"
        )
    return document


def _named(entries: object, kind: str, path: Path) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for entry in entries if isinstance(entries, list) else [] if entries is None else [entries]:
        stanza = (entry.get(kind) or {}) if isinstance(entry, dict) and "name" in entry else None
        if not isinstance(entry, dict) or not isinstance(stanza, dict):
            raise ClusterError(
                f"{path}: no kubeconfig: {kind}s must be a list of `name` and `{kind}`",
                hint=LOOK,
            )
        yield str(entry["name"]), stanza


def _absolute(stanza: Mapping[str, Any], base: Path) -> Mapping[str, Any]:
    """The stanza with its paths made absolute; an exec command without a slash stays to be found on PATH."""
    changed: dict[str, Any] = {key: str(base / str(stanza[key])) for key in PATHS if stanza.get(key)}
    plugin = stanza.get("exec")
    if isinstance(plugin, dict) and os.sep in str(plugin.get("command")):
        changed["exec"] = {**plugin, "command": str(base / str(plugin["command"]))}
    return {**stanza, **changed}


def _choose(kind: str, known: Mapping[str, _Entry]) -> str:
    return f"choose one with --{kind}: {_all(known)}" if known else LOOK


def _all(known: Mapping[str, _Entry]) -> str:
    return ", ".join(sorted(known)) or "none"
