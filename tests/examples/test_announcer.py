"""How announcers are run for good: the DaemonSet and the unit of systemd, held to what they promise."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbctl import __version__
from tests.docs.commands import commands
from tests.stage import stage

EXAMPLES = Path(__file__).parents[2] / "examples"
HERE = EXAMPLES / "kubernetes" / "arp-announce"
UNIT = EXAMPLES / "systemd" / "lbctl-arp-announce.service"
SYSTEMD = shutil.which("systemd-analyze")


@cache
def manifests() -> tuple[dict[str, Any], ...]:
    """The manifests as they stand in the files."""
    kustomization = yaml.safe_load((HERE / "kustomization.yaml").read_text())
    texts = [(HERE / name).read_text() for name in kustomization["resources"]]
    return tuple(item for text in texts for item in yaml.safe_load_all(text))


@cache
def pod() -> dict[str, Any]:
    """What the DaemonSet runs."""
    (found,) = [item for item in manifests() if item["kind"] == "DaemonSet"]
    return dict(found["spec"]["template"]["spec"])


def test_a_pod_has_the_network_of_its_node_and_one_capability() -> None:
    """Raw sockets and nothing else; nothing to write to; it knows its Node."""
    (container,) = pod()["containers"]
    assert pod()["hostNetwork"] is True
    assert pod()["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]},
    }
    assert container["env"] == [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    assert all(mount["readOnly"] and "subPath" not in mount for mount in container["volumeMounts"])


def test_announcers_may_write_leases_and_events_and_nothing_else() -> None:
    """A node that is broken into cannot give itself an address: it may not touch claims or statuses."""
    writes = {
        (resource, verb)
        for item in manifests()
        if item["kind"] in ("Role", "ClusterRole")
        for rule in item["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb not in ("get", "list", "watch")
    }
    assert writes == {("leases", "create"), ("leases", "update"), ("events", "create"), ("events", "patch")}
    roles = [item for item in manifests() if item["kind"] == "Role"]
    assert [role["metadata"]["namespace"] for role in roles] == ["lbctl-system"]


def test_the_namespace_of_the_claims_stays_restricted() -> None:
    """As serve's own manifests have it; the pods are elsewhere."""
    enforced = {
        item["metadata"]["name"]: item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for item in manifests()
        if item["kind"] == "Namespace"
    }
    assert enforced == {"lbctl-system": "restricted", "lbctl-announcer": "privileged"}
    serve = yaml.safe_load((EXAMPLES / "kubernetes" / "serve" / "namespace.yaml").read_text())
    assert serve in manifests()
    (found,) = [item for item in manifests() if item["kind"] == "DaemonSet"]
    assert found["metadata"]["namespace"] == "lbctl-announcer"


def test_the_probes_ask_where_it_answers() -> None:
    """At the node's own loopback, for its network is the node's."""
    (container,) = pod()["containers"]
    host, _, port = container["args"][container["args"].index("--listen") + 1].rpartition(":")
    for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": int(port), "host": host}


def test_the_pool_file_is_without_errors_and_serve_s() -> None:
    """Both examples name the same addresses, and it is mounted where it is looked for."""
    assert (HERE / "pools.yaml").read_text() == (EXAMPLES / "kubernetes" / "serve" / "pools.yaml").read_text()
    with stage() as here:
        assert here.run("pools", "check", "--pools", str(HERE / "pools.yaml"), "--strict").code == 0
    (container,) = pod()["containers"]
    (mount,) = container["volumeMounts"]
    assert container["args"][container["args"].index("--pools") + 1] == f"{mount['mountPath']}/pools.yaml"


def test_the_image_s_tag_is_this_version_s() -> None:
    """As serve's."""
    kustomization = yaml.safe_load((HERE / "kustomization.yaml").read_text())
    assert kustomization["images"] == [{"name": "lbctl", "newTag": __version__}]


def unit() -> list[tuple[str, str]]:
    """The unit's assignments."""
    lines = [line for line in UNIT.read_text().splitlines() if line and line[0] not in "#["]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def test_the_flags_are_those_of_the_command() -> None:
    """Whatever flag an example gives, there is."""
    (command,) = [c for c in commands() if c.words == "arp-announce"]
    known = {name for flag in command.flags for name in (*flag.opts, *flag.secondary_opts)}
    for line in (dict(unit())["ExecStart"].split(), pod()["containers"][0]["args"]):
        assert {word for word in line if word.startswith("--")} <= known


def test_the_unit_has_one_capability() -> None:
    """And lets it be given up: capset is among what systemd calls privileged."""
    found = dict(unit())
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == "CAP_NET_RAW"
    filters = [value for key, value in unit() if key == "SystemCallFilter"]
    assert filters.index("capset") > filters.index("~@privileged @resources")
    assert "PrivateUsers" not in found  # a user namespace's CAP_NET_RAW is none for the machine's network


def analyzed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze on the unit, with a command that is there."""
    here = folder / UNIT.name
    here.write_text(UNIT.read_text().replace("/usr/local/bin/lbctl", shutil.which("true") or "/bin/true"))
    command = ["systemd-analyze", "--no-pager", *words, str(here)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(SYSTEMD is None, reason="NOT RUN: there is no systemd-analyze")
def test_systemd_has_nothing_to_say_of_the_unit(tmp_path: Path) -> None:
    """No unknown key, no value that it does not take."""
    done = analyzed(tmp_path, "verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(SYSTEMD is None, reason="NOT RUN: there is no systemd-analyze")
def test_systemd_finds_the_service_well_confined(tmp_path: Path) -> None:
    """At most 2 of 10: what is left is the network, and raw packets."""
    done = analyzed(tmp_path, "security", "--offline=true", "--threshold=20")
    if "offline" in done.stderr:
        pytest.skip("NOT RUN: this systemd-analyze is older than 250")
    assert done.returncode == 0, done.stdout.splitlines()[-1]
