"""Credential plugins: the `exec` stanza of a kubeconfig's user (client.authentication.k8s.io, KEP-541).

The `kubernetes` package only logs a plugin that fails and goes on unauthenticated; here each way to fail is an error
that names the command and gives its own words. Its arguments and its output are never quoted: both may hold secrets.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lbctl.errors import ClusterError
from lbctl.kube.config import Place
from lbctl.kube.errors import quoted

# Somebody at a terminal may have to log in with a browser first: that takes as long as it takes, within reason.
AT_TERMINAL = 300.0
MOST_SAID = 65536  # bytes of its stderr that are looked at


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin gave: a token, or a client certificate and key as PEM, or all; `expires` is seconds since the
    epoch."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: float | None = None


def run_plugin(place: Place, timeout: float) -> Credential:
    """Run the place's plugin; raises ClusterError when it gives no credential within `timeout` seconds."""
    spec = place.user["exec"]
    command = str(spec.get("command") or "") if isinstance(spec, dict) else ""
    if not command:
        raise ClusterError(f"the exec plugin of {place.who} has no command", hint="kubectl config view shows it")
    words = f"the exec plugin {quoted(command)} of {place.who}"
    mode = spec.get("interactiveMode") or "IfAvailable"
    talks = sys.stdin.isatty() and mode != "Never"
    if mode == "Always" and not talks:
        raise ClusterError(f"{words} needs a terminal", hint="run lbctl in one, or use another user")
    output = _output(_argv(command, spec), _environment(place, spec, talks), words, spec, talks, timeout)
    return _credential(output, str(spec.get("apiVersion") or ""), words)


def _argv(command: str, spec: Mapping[str, Any]) -> list[str]:
    return [command, *map(str, spec.get("args") or ())]


def _environment(place: Place, spec: Mapping[str, Any], talks: bool) -> dict[str, str]:
    asked: dict[str, Any] = {"interactive": talks}
    if spec.get("provideClusterInfo"):
        asked["cluster"] = _cluster_info(place)
    info = {"apiVersion": spec.get("apiVersion"), "kind": "ExecCredential", "spec": asked}
    own = {str(e["name"]): str(e["value"]) for e in spec.get("env") or () if {"name", "value"} <= set(e)}
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _cluster_info(place: Place) -> dict[str, Any]:
    known = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    info = {key: place.cluster[key] for key in known if key in place.cluster}
    for extension in place.cluster.get("extensions") or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return info


def _output(
    argv: list[str], env: dict[str, str], words: str, spec: Mapping[str, Any], talks: bool, timeout: float
) -> str:
    """The plugin's stdout. At a terminal it talks to the user itself, as below kubectl."""
    # Its stderr is a file, for a pipe ends only with the last of those that it leaves behind (an agent, telemetry).
    with tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(  # noqa: S603 because the kubeconfig's owner wrote the command
                argv,
                env=env,
                stdin=None if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if talks else err,
                text=True,
                errors="replace",
                process_group=None if talks else 0,  # so that what the plugin started ends with it
            )
        except OSError as bad:
            hint = str(spec.get("installHint") or "").strip() or "install it, or correct the user's exec.command"
            raise ClusterError(f"{words} cannot be started: {bad.strerror}", hint=hint) from bad
        limit = AT_TERMINAL if talks else timeout
        try:
            out, _ = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired as slow:
            raise ClusterError(
                f"{words} gave no credential within {limit:g} s",
                hint="run it by hand to see what it waits for, or give it longer with --request-timeout",
            ) from slow
        finally:
            _end(child, group=not talks)
        if child.returncode:
            err.seek(max(err.seek(0, os.SEEK_END) - MOST_SAID, 0))
            said = quoted(err.read(MOST_SAID).decode(errors="replace"))
            said = said or ("its words stand above" if talks else "it said nothing")
            raise ClusterError(
                f"{words} failed with exit code {child.returncode}: {said}",
                hint="log in as that plugin asks, then try again",
            )
        return out


def _end(child: subprocess.Popen[str], *, group: bool) -> None:
    """Kill what is still running of it."""
    if child.poll() is None:
        if group:
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


def _credential(output: str, version: str, words: str) -> Credential:
    try:
        document = json.loads(output)
    except ValueError as bad:
        raise ClusterError(f"{words} printed no ExecCredential", hint="run it by hand: it has to print JSON") from bad
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, dict) or document.get("kind") != "ExecCredential":
        raise ClusterError(f"{words} printed no ExecCredential", hint="run it by hand: its kind and status are wrong")
    if document.get("apiVersion") != version:
        raise ClusterError(
            f"{words} speaks {quoted(str(document.get('apiVersion')))}, the kubeconfig {version}",
            hint="write the plugin's version as the user's exec.apiVersion",
        )
    got = Credential(
        token=str(status.get("token") or ""),
        certificate=str(status.get("clientCertificateData") or ""),
        key=str(status.get("clientKeyData") or ""),
        expires=_expiry(status.get("expirationTimestamp"), words),
    )
    if not (got.token or (got.certificate and got.key)):
        raise ClusterError(f"{words} gave neither token nor client certificate and key", hint="log in, then try again")
    return got


def _expiry(stamp: object, words: str) -> float | None:
    if not stamp:
        return None
    try:
        when = datetime.fromisoformat(str(stamp))
    except ValueError as bad:
        raise ClusterError(f"{words} gave an expirationTimestamp that is no time", hint="RFC 3339 is needed") from bad
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
