"""docs/commands.md: every command and flag of the real command line, with what it prints on a sandbox."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from typer.main import get_command

from lbctl.cli import app, where
from lbctl.poollint import Code
from tests.docs.markdown import code, doc, page, paragraph, table
from tests.stage import DAY, HOUR, Stage, stage

COMMON = frozenset(inspect.signature(where._shared).parameters)
USUAL = frozenset({"help"})


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the tree, and its words after `lbctl`."""

    words: str
    click: Any

    @property
    def flags(self) -> list[Any]:
        """Its options, but -h."""
        return [p for p in self.click.params if p.param_type_name == "option" and p.name not in USUAL]

    @property
    def own_flags(self) -> list[Any]:
        """Those that are not the shared ones."""
        return [p for p in self.flags if not (self.asks_a_cluster and p.name in COMMON)]

    @property
    def asks_a_cluster(self) -> bool:
        """Whether it has the shared flags."""
        return {p.name for p in self.flags} >= COMMON

    @property
    def usage(self) -> str:
        """How it is called."""
        arguments = [p for p in self.click.params if p.param_type_name == "argument"]
        words = [_argument(argument) for argument in arguments]
        return " ".join(["lbctl", self.words, *words, *(["[flags]"] if self.flags else [])])


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name = name.strip("[]") + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def commands() -> list[Command]:
    """Every command, in the order of `lbctl -h`."""

    def walk(group: Any, words: tuple[str, ...]) -> Iterator[Command]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, (*words, name))
            else:
                yield Command(" ".join((*words, name)), command)

    return list(walk(get_command(app), ()))


def flag_text(flag: Any) -> str:
    """A flag as one writes it."""
    names = sorted((*flag.opts, *flag.secondary_opts), key=len)
    value = "" if flag.is_flag else f" {_value(flag)}"
    return f"`{', '.join(names)}{value}`"


def _value(flag: Any) -> str:
    kind = flag.type_descriptor.annotation
    if flag.metavar or not issubclass(kind, Enum):
        return str(flag.metavar or flag.name.upper())
    return "|".join(kind)


def flag_row(flag: Any) -> tuple[str, str, str]:
    """A row of a table of flags."""
    text = flag.help or ""
    if not flag.is_flag and flag.default not in (None, ""):
        text += f" (default: {flag.default})"
    return flag_text(flag), text, f"`{flag.envvar}`" if flag.envvar else ""


FLAGS = ("flag", "what it does", "environment")


def example(name: str) -> str:
    """A session on a sandbox: the lines, each with what it prints."""
    scene, lines = EXAMPLES[name]
    shown = []
    with stage() as here:
        scene(here)
        for line in lines:
            said = here.run(*line.split()[1:]) if line.startswith("lbctl ") else None
            text = (said.out + said.err) if said else (here.folder / line.removeprefix("cat ")).read_text()
            shown.append(f"$ {line}\n{text}")
    return code("\n".join(shown), "console")


def commands_page() -> str:
    """The page."""
    parts = [HEAD, _contents()]
    shared = next(c for c in commands() if c.asks_a_cluster)
    common = [flag for flag in shared.flags if flag.name in COMMON]
    parts += ["## Common flags", COMMON_TEXT, table(FLAGS, map(flag_row, common))]
    for command in commands():
        parts += [f"## lbctl {command.words}", doc(command.click.callback), code(command.usage)]
        if command.own_flags:
            parts.append(table(FLAGS, map(flag_row, command.own_flags)))
        if command.asks_a_cluster:
            parts.append("It takes the [common flags](#common-flags) too.")
        parts.append(paragraph(NOTES.get(command.words, "")))
        if command.words == "pools check":
            parts.append(table(("code", "kind", "what is in a pool", "what to do"), map(_finding_row, Code)))
        if command.words in EXAMPLES:
            parts.append(example(command.words))
    return page("Commands", *parts, TAIL)


def _finding_row(code: Code) -> tuple[str, str, str, str]:
    return f"`{code.name}`", "warning" if code.warning else "note", code.about, code.hint


def _contents() -> str:
    rows = []
    for command in commands():
        anchor = f"lbctl-{command.words}".replace(" ", "-")
        rows.append((f"[lbctl {command.words}](#{anchor})", doc(command.click.callback).partition("\n")[0]))
    return table(("command", "what it does"), rows)


HEAD = """\
`lbctl` prints data on stdout and talks on stderr (`error:`, `hint:`). It never cuts a column, has colour on a terminal
only, and honours `NO_COLOR`. Every command tells its flags with `-h`; `lbctl --version` prints the version. What the
exit codes mean is in [exit-codes.md](exit-codes.md), what the reasons mean in [reasons.md](reasons.md), and what
`-o json` prints in [documents.schema.json](documents.schema.json).

SVC is `[namespace/]name`, as `lbctl list -o name` prints it. A bare name is of the namespace that `-n` names, else of
the kubeconfig's context."""

COMMON_TEXT = """\
Every command that asks a cluster takes these. Without them lbctl finds the cluster as kubectl does: `KUBECONFIG`,
`~/.kube/config`, or the service account of the pod it runs in. It acts on all namespaces, for that is where pending
Services hide. All Services are looked at, whatever `-n` and `-l` leave to be acted on."""

NOTES = {
    "list": "WHY says what stands in the way and what to do about it. Services that are left alone on purpose are "
    "listed too as long as they show `<pending>`.",
    "assign": "Asked for by flag, an address or a pool is for once: what the Service asks for itself stays as it is. "
    "`--dry-run` without a value means `client`. Where this machine is on the subnet of a pool and may open raw "
    "sockets (root, or CAP_NET_RAW), the LAN is asked before an address is given, also in a dry run: three times "
    "within 0.3 s, so a host that sleeps is not seen. `AddressInUseOnLan` and `StillAnnounced` are then passed over, "
    "or refused to who asks for them; a router that answers for four free addresses or more (proxy ARP) is told of "
    "once and does not count. What a Service holds is not asked for. With `--probe=on` it is an error where an address "
    "cannot be asked for; then the interfaces that its pool names are asked as well.",
    "release": "Another Service gets the address once the pool's `reuseAfter` has passed, or with `--now` at once.",
    "adopt": "It writes claims and nothing else: no Service is changed, so it may be done while the other controller "
    "runs. Whose an address is, is told by the marks that MetalLB, kube-vip, Cilium, PureLB and klipper (ServiceLB of "
    "k3s) leave on a Service, and by the field manager of its status. An address stays whatever the pools say of it by "
    "now, but it must be in one of them; one that a node has, or that two Services show without being allowed to share "
    "it, is refused. Then remove the other controller; what it clears as it goes, `lbctl assign --all` puts back. A "
    "finalizer that it leaves on a Service (`kubectl get service NAME -o yaml`) is yours to take away.",
    "claims repair": "For a ledger that was deleted or lost. That lbctl wrote a status is told by its field manager in "
    "managedFields. What was adopted, and is still as the other system wrote it, is adopted again instead. Where "
    "claims and statuses say different things that another command settles, that is a warning. A block that cannot be "
    "read is left as it is, and the exit code is then 1.",
    "claims prune": "`keepFor` and `reuseAfter` of the pool file say how long a released claim is of use.",
    "claims show": "Where lbctl keeps a claim is shown, so that kubectl can show it raw.",
    "pools show": "HELD has a claim; LINGERING is released (its Service is gone) or parked (released by hand); "
    "RESERVED is kept for a Service by the pool file; ELSEWHERE is in use without a claim: a status that another "
    "controller wrote, externalIPs, a Node's address, or a block of claims that cannot be read. On a terminal a map of "
    "the pool stands between the two tables.",
    "pools diff": "MOVES keeps its address until `lbctl assign --reassign` is run; STAYS would be moved by that, but "
    "there is no other address for it; SETTLES is on an address that the old file would take from it and the new one "
    "leaves. SERVED, REFUSED and OTHER (address) are what `lbctl assign --all` finds; LEFT ALONE and TAKEN ON go by "
    "`loadBalancerClass`. An address that no pool holds any more stays with its Service, as `AddressOutsidePools`. "
    "The old file is the one that is used: `--pools`, or the first of the usual places. With NEW `-` it is read from "
    "stdin: `lbctl pools import --from-cluster | lbctl pools diff -`. Exit code 0: nothing changes; 1: something "
    "does; 2 and more: an error, 3 for a wrong pool file and 4 for a cluster out of reach. Without a kubeconfig only "
    "the files are compared, and that is said.",
    "explain": "Pools stand in the order in which they are asked. Of a Service that was released by hand they say "
    "what it would get if it were named; of one that lbctl leaves alone, only those say something that hold an "
    "address of its.",
    "pools check": "Errors in the file are told first, all at once, and no cluster is asked then: exit code 3. The "
    "findings below leave the file valid: exit code 0, with `--strict` 1 when there are warnings; notes never count. "
    "Without a kubeconfig the cluster is left out, and that is said; one that is out of reach is exit code 4. What is "
    "told of this machine holds for the machine that lbctl runs on: best one on the nodes' LAN. The default gateway is "
    "known on Linux only. `--probe` asks the LAN for the addresses of the pools, at most 4,096 of each, those in use "
    "first, and lists who answers; it needs root (or CAP_NET_RAW) and Linux, and what is announced is told from "
    "strangers by the cluster's word alone.",
    "pools init": "The file says nothing about your LAN: put addresses into it that are free there.",
    "pools import": "Give it FILE (several documents and Lists too), `-` for stdin, or `--from-cluster`. It reads "
    "MetalLB's IPAddressPool, AddressPool and ConfigMap, CiliumLoadBalancerIPPool, the ConfigMap of the kube-vip "
    "cloud provider, and PureLB's ServiceGroup. Every remark is on stderr with its place, and those about a pool are "
    "comments above it too. Nobody may get an address by it who could not before: a pool whose Services a pool file "
    "cannot tell is `disabled` until you have looked, and of two pools with one address the one for fewer Services "
    "keeps it. It ends 0 when there is a pool to write, remarks or not, and 1 when there is none or the input cannot "
    "be read. `--from-cluster` takes the right to list ipaddresspools, addresspools, l2advertisements and "
    "bgpadvertisements (metallb.io), ciliumloadbalancerippools (cilium.io) and servicegroups (purelb.io) of the "
    "systems that are installed, and to get the ConfigMaps kubevip in kube-system and config in metallb-system: a "
    "cluster-admin has it, rbac.yaml does not give it. What it may not read is an error, and the exit code then 4; "
    "what it could read is written all the same.",
    "serve": "Where the LAN can be asked (as for `assign --probe`), the next 32 free addresses of each pool are asked "
    "for within every minute, in the background: an assignment does not wait for it, but at the start for a second at "
    "most. An address that is asked for by name is waited for, 0.4 s. What somebody has is asked for again, and given "
    "once it falls silent.",
    "arp-announce": "It takes CAP_NET_RAW, which it gives up once its sockets are open. With ADDRESS it asks the LAN "
    "first (3 times within 300 ms; RFC 5227 has longer pauses): what another machine has is refused with that "
    "machine's MAC. Without ADDRESS it follows Services, EndpointSlices, Nodes and the other announcers' Leases in "
    "`lbctl-system`, and goes on without the API server. Announced is what Services of type LoadBalancer in scope show "
    "in their status, as far as lbctl gave it or a pool holds it. A node may announce an address when it is Ready, has "
    "a network and an announcer, is not labelled `node.kubernetes.io/exclude-from-external-load-balancers`, is matched "
    "by the pool's `nodeSelector`, and has an interface on the address's subnet (or one of the pool's `interfaces`); "
    "with `externalTrafficPolicy: Local` it also needs an endpoint of the Service. Nobody may while no Service on the "
    "address has an endpoint. Of several that may one answers; a node that comes back stays behind it. "
    "`--simulate-drain` shows what the label on NODE would move.",
    "status": "NODE is what the announcers' Leases say, which is some seconds behind the LAN.",
    "demo": "It is what `make demo` runs.",
    "sandbox": "What is in it is gone when it ends.",
}


def _two(here: Stage) -> None:
    here.service("web", ago=3 * DAY)
    here.service("api", ago=HOUR, notes={"lbctl/addresses": "198.51.100.7"})


def _given(here: Stage) -> None:
    _two(here)
    here.service("old")
    here.run("assign", "web", "old")
    here.run("release", "old")


def _theirs(here: Stage) -> None:
    here.service("web", ago=3 * DAY, notes={"metallb.io/ip-allocated-from-pool": "lan"})
    here.status("web", {"ip": "192.0.2.203"})


def _lost(here: Stage) -> None:
    _two(here)
    here.run("assign", "web")
    here.forget()


def _spent(here: Stage) -> None:
    _given(here)
    here.delete("web")


def _announced(here: Stage) -> None:
    _given(here)
    here.node("n1", "192.0.2.11")
    here.node("n2", "192.0.2.12")
    here.announcer("n1", "192.0.2.200")
    here.announcer("n2")
    here.endpoints("web", "n1", "n2")
    here.service("db", ago=HOUR)
    here.run("assign", "db")
    here.endpoints("db")


def _bare(here: Stage) -> None:
    (here.folder / "pools.yaml").unlink()


def _wrong(here: Stage) -> None:
    here.write("pools.yaml", "pools:\n- name: lan\n  adresses: [192.0.2.0/24]\n  keepFor: 1d\n")


def _metallb(here: Stage) -> None:
    here.write("metallb.yaml", METALLB)


METALLB = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, namespace: metallb-system}
spec:
  addresses: [192.0.2.200-192.0.2.220, 192.0.2.17/28]
  serviceAllocation: {priority: 10, namespaces: [prod]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2, namespace: metallb-system}
spec: {interfaces: [eth1]}
"""


def _unwise(here: Stage) -> None:
    _wrong(here)
    here.write("lan.yaml", "pools:\n- name: lan\n  addresses: [192.0.2.1-192.0.2.20, 198.51.100.0/24]\n")


def _edited(here: Stage) -> None:
    _given(here)
    here.write("new.yaml", "pools:\n- name: lan\n  addresses: [192.0.2.204-192.0.2.230, 198.51.100.0/29]\n")


def _plain(_: Stage) -> None:
    pass


EXAMPLES: dict[str, tuple[Callable[[Stage], None], tuple[str, ...]]] = {
    "list": (_two, ("lbctl list", "lbctl list -o name")),
    "assign": (
        _two,
        ("lbctl assign web --dry-run", "lbctl assign web", "lbctl assign --all", "lbctl assign web --ip 192.0.2.210"),
    ),
    "release": (_given, ("lbctl release web", "lbctl list")),
    "explain": (_given, ("lbctl explain api", "lbctl explain web")),
    "arp-announce": (_announced, ("lbctl arp-announce --simulate-drain n1",)),
    "status": (_announced, ("lbctl status",)),
    "pools list": (_plain, ("lbctl pools list",)),
    "pools show": (_given, ("lbctl pools show lan",)),
    "pools diff": (_edited, ("cat new.yaml", "lbctl pools diff new.yaml")),
    "pools check": (_unwise, ("lbctl pools check", "lbctl pools check --pools lan.yaml")),
    "pools init": (_bare, ("lbctl pools init", "cat pools.yaml")),
    "pools import": (_metallb, ("cat metallb.yaml", "lbctl pools import metallb.yaml")),
    "adopt": (_theirs, ("lbctl adopt --all --from metallb", "lbctl assign --all", "lbctl claims list")),
    "claims repair": (_lost, ("lbctl claims list", "lbctl claims repair")),
    "claims prune": (_spent, ("lbctl claims prune", "lbctl claims prune --now")),
    "claims list": (_given, ("lbctl claims list",)),
    "claims show": (_given, ("lbctl claims show 192.0.2.200",)),
}

TAIL = """\
## In a shell

Completion of commands, flags, Services (from the cluster) and pools (from the pool file):

```sh
source <(lbctl completion bash)                                       # this shell
lbctl completion bash > /etc/bash_completion.d/lbctl                  # every bash
lbctl completion zsh > "${fpath[1]}/_lbctl"                           # zsh
lbctl completion fish > ~/.config/fish/completions/lbctl.fish         # fish
```

A cluster that does not answer within a second completes nothing, and says nothing.

As a plugin of kubectl: with `kubectl-lbctl` on your PATH, which comes with lbctl, `kubectl lbctl list` is `lbctl list`.
`kubectl_complete-lbctl` beside it is what kubectl's own completion asks."""
