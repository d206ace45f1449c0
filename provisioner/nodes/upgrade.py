"""What an upgrade of a node asks for before it changes anything, and when the newer version is proved. Pure.

A node's upgrade as one change: the newer version is proved and confirmed, or the one before runs again.

At each moment after the way back was armed either of two hands ends it: this one, or the machine's own. Who may end it
the machine decides once (`disarm`).

What brings an upgraded node back by itself: a script for the plain shell, and the units that run it. Pure.

It is no part of the program that is exchanged, and needs nothing of it: dpkg, systemctl and a shell. The unit is there
after a loss of power, too: at the next start of the machine it runs at once, as whoever upgraded is gone then.

Whoever takes `armed` away decides: the script, which returns, or the upgrade, which is confirmed. A name of a file is
changed once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from string import Template
from typing import Final, NoReturn, Protocol

from provisioner.base.errors import ApplyError, HostError, PolicyError, ProvisionerError, RollbackError, UsageError
from provisioner.base.text import printable
from provisioner.nodes.node import fits

PACKAGE: Final = "provisioner"
_FIELDS: Final = ("Package", "Version", "Architecture")
_SHOWN: Final = 80
INSTALLED: Final = "ii "
"""What `dpkg-query` says of a package that is whole."""
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+~:-]{0,79}")


@dataclass(frozen=True, slots=True)
class NodePackage:
    """A Debian package of provisioner.

    Attributes:
        file: where it lies.
        version: as dpkg has it.
        architecture: for which machines it is.
    """

    file: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class DpkgState:
    """What dpkg says of this machine.

    Attributes:
        architecture: its own.
        status: of the package, as `dpkg-query` abbreviates it; empty where it knows none.
        version: the installed one.
        unfinished: what `dpkg --audit` says.
    """

    architecture: str
    status: str
    version: str
    unfinished: str = ""


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """How a node's unit stands at one moment.

    Attributes:
        unit: its name.
        state: what systemd says of it, e.g. `active (running)`.
        process: its main process; 0 where none runs.
        reaches: whether it reaches its broker; None where it does not say.
        line: what it says itself.
    """

    unit: str
    state: str
    process: int
    reaches: bool | None
    line: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it runs."""
        return self.state.startswith("active ") and self.process > 0


def package_in(said: str, file: str) -> NodePackage:
    """The package that `dpkg-deb --field` tells of.

    Raises:
        UsageError: it is another one.
    """
    values = dict(line.partition(": ")[::2] for line in said.splitlines())
    name, version, architecture = (values.get(one, "").strip() for one in _FIELDS)
    if name != PACKAGE or not architecture or not _VERSION.fullmatch(version):
        is_of = f"of {printable(name, _SHOWN)}" if name and name != PACKAGE else "without a version or an architecture"
        raise UsageError(f"{file} is a package {is_of}", hint="name a Debian package of provisioner")
    return NodePackage(file, version, architecture)


def refusal(new: NodePackage, back: NodePackage, state: DpkgState) -> ProvisionerError | None:
    """Why a machine's package is not exchanged; None where nothing speaks against it."""
    return _of_machine(state) or _of_files(new, back, state)


def _of_machine(state: DpkgState) -> ProvisionerError | None:
    if state.unfinished.strip():
        lines = state.unfinished.splitlines()
        names = [line.split()[0] for line in lines if line.startswith(" ") and line.strip()]
        first = printable(", ".join(names) or " ".join(state.unfinished.split()), 200)
        hint = "let dpkg finish first (its own audit says how), and call this again"
        return HostError(f"dpkg has not finished with packages of this machine: {first}", hint=hint)
    if state.status != INSTALLED:
        hint = "this upgrades a node that the package runs: one from an image has another tag instead"
        return HostError("the Debian package provisioner is not installed on this machine", hint=hint)
    return None


def _of_files(new: NodePackage, back: NodePackage, state: DpkgState) -> ProvisionerError | None:
    for one in (new, back):
        if one.architecture not in {state.architecture, "all"}:
            is_for = f"{one.file} is for {printable(one.architecture, _SHOWN)}"
            hint = f"take the package for {state.architecture}"
            return UsageError(f"{is_for}, and this machine is {state.architecture}", hint=hint)
    if back.version != state.version:
        differs = f"{back.file} is of {back.version}, and {state.version} is installed"
        return UsageError(differs, hint="name the package of the installed version: it is what comes back")
    if new.version == back.version:
        return UsageError(f"{new.file} is of {new.version}, which is installed", hint="name the package of another one")
    if not fits(upstream(new.version), upstream(back.version)):
        apart = f"{new.file} is of {new.version}, more than one minor apart from {back.version}, which is installed"
        hint = "controllers of one do not work with nodes of the other: take the minor versions one by one"
        return PolicyError(apart, hint=hint)
    return None


def missing(simulated: str) -> str:
    """What else apt would install or remove with the package, of what it simulates; empty where nothing."""
    words = [line.split() for line in simulated.splitlines()]
    turns = {"Inst": "needs", "Remv": "takes away"}
    others = [f"it {turns[one[0]]} {printable(one[1], _SHOWN)}" for one in words if one[:1] and one[0] in turns]
    return ", ".join(one for one in others if not one.endswith(f" {PACKAGE}"))


def upstream(version: str) -> str:
    """The program's version, of a package's."""
    return version.rpartition("-")[0] or version


@dataclass
class UpgradeProof:
    """Whether a newer version does what the one before did, as its nodes are looked at again and again.

    Attributes:
        before: how they stood before.
        stay_s: so long all has to be well, with the same processes.
    """

    before: Sequence[NodeStanding]
    stay_s: float
    _since: float | None = None
    _processes: Mapping[str, int] = field(default_factory=dict)
    lacks: str = "nothing was seen of its nodes"

    def is_proved(self, at: float, now: Sequence[NodeStanding]) -> bool:
        """Take one more look into account.

        Args:
            at: the moment, in seconds.
            now: how the same units stand.
        """
        standing = {one.unit: one for one in now}
        self.lacks = next((text for one in self.before if (text := _lacks(one, standing.get(one.unit)))), "")
        processes = {one.unit: one.process for one in now}
        if self.lacks or self._since is None or processes != self._processes:
            self._since = None if self.lacks else at
            self._processes = processes
        if self._since is None or at - self._since < self.stay_s:
            self.lacks = self.lacks or "its nodes did not run long enough in one go"
            return False
        return True


def _lacks(before: NodeStanding, now: NodeStanding | None) -> str:
    """What a node lacks that it had; a broker that was not reached before is nobody's fault."""
    if now is None or not now.is_active:
        return f"{before.unit} does not run: {now.state if now is not None else 'systemd does not know it'}"
    if before.reaches is not False and not now.reaches:
        return f"{before.unit} runs and does not reach its broker" + (f" ({now.line})" if now.line else "")
    return ""


STOP_S: Final = 15 * 60.0
"""So long nodes may take to end what they have begun, as their unit says."""
EXCHANGE_S: Final = 10 * 60.0
_SPARE_S: Final = 5 * 60.0
_LOOK_S: Final = 0.5
_BACK_LOOK_S: Final = 90.0


class UpgradeMachine(Protocol):
    """The machine of a node, as its upgrade sees it. Whatever does not work is a ProvisionerError."""

    def now(self) -> float:
        """Seconds that only grow."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def standings(self, units: Sequence[str]) -> Sequence[NodeStanding]:
        """How units stand."""
        ...

    def version(self) -> str:
        """Which version is installed; empty where none is, or half of one."""
        ...

    def arm(self, units: Sequence[str], seconds: float) -> None:
        """Let the machine return by itself after so long, and when it is started anew; all of it, or nothing."""
        ...

    def disarm(self) -> bool:
        """Let it not return any more; False where it has begun to."""
        ...

    def install(self, timeout_s: float) -> None:
        """Exchange the package for the newer one."""
        ...

    def go_back(self, timeout_s: float) -> None:
        """Have the machine return now, and wait until it has."""
        ...


@dataclass(frozen=True, slots=True)
class UpgradeOrders:
    """What an upgrade is to do.

    Attributes:
        new: the newer version.
        back: the one that is installed.
        before: how its nodes stand.
        timeout_s: so long the newer one has to be proved, from when it is installed.
        stay_s: so long its nodes have to run in one go.
        tell: takes a line of how far it is.
    """

    new: str
    back: str
    before: Sequence[NodeStanding]
    timeout_s: float
    stay_s: float
    tell: Callable[[str], None] = lambda _: None

    @property
    def units(self) -> tuple[str, ...]:
        """Its nodes."""
        return tuple(one.unit for one in self.before)

    @property
    def returns_s(self) -> float:
        """After so long the machine returns by itself."""
        return STOP_S + EXCHANGE_S + self.timeout_s + _SPARE_S


def upgrade(machine: UpgradeMachine, orders: UpgradeOrders) -> None:
    """Bring the newer version, whose nodes were proved, or leave the one before at work.

    Raises:
        ApplyError: the one before is back.
        RollbackError: it could not be brought back by now; the machine goes on trying.
    """
    machine.arm(orders.units, orders.returns_s)
    try:
        orders.tell(f"{orders.new} is being installed; nodes end what they have begun first")
        machine.install(STOP_S + EXCHANGE_S)
        orders.tell(f"{orders.new} is installed: its nodes are watched")
        lacks = _watched(machine, orders)
    except ProvisionerError as error:
        lacks = error.message
    except BaseException:
        # Whoever interrupts has the node as it was, too.
        _gone_back(machine, orders, "it was interrupted")
        raise
    if not lacks and not machine.disarm():
        lacks = "nobody confirmed it in time"
    if lacks:
        _gone_back(machine, orders, lacks)
        hint = "see journalctl -u " + " -u ".join(orders.units)
        raise ApplyError(f"{orders.new} was not kept: {lacks}; {orders.back} runs again", hint=hint)


def _watched(machine: UpgradeMachine, orders: UpgradeOrders) -> str:
    """What the newer version's nodes lack; empty where they are as those before were."""
    proof, until = UpgradeProof(orders.before, orders.stay_s), machine.now() + orders.timeout_s
    if (version := machine.version()) != orders.new:
        return f"{version or 'no whole version'} is installed"
    while not proof.is_proved(machine.now(), machine.standings(orders.units)):
        if machine.now() >= until:
            return f"after {orders.timeout_s:.0f} s {proof.lacks}"
        machine.sleep(_LOOK_S)
    return ""


def _gone_back(machine: UpgradeMachine, orders: UpgradeOrders, lacks: str) -> None:
    """Have the machine return, and see that it has.

    Raises:
        RollbackError: it has not.
    """
    orders.tell(f"{orders.new} is not kept: {lacks}; {orders.back} comes back")
    try:
        machine.go_back(STOP_S + EXCHANGE_S)
        until = machine.now() + _BACK_LOOK_S
        while (version := machine.version()) != orders.back or _idle(machine, orders):
            if machine.now() >= until:
                idle = ", ".join(_idle(machine, orders)) or "none"
                _stuck(orders, lacks, f"{version or 'no whole version'} is installed; nodes that do not run: {idle}")
            machine.sleep(_LOOK_S)
    except RollbackError:
        raise
    except ProvisionerError as error:
        _stuck(orders, lacks, error.message)


def _idle(machine: UpgradeMachine, orders: UpgradeOrders) -> list[str]:
    return [one.unit for one in machine.standings(orders.units) if not one.is_active]


def _stuck(orders: UpgradeOrders, lacks: str, said: str) -> NoReturn:
    raise RollbackError(
        f"{orders.new} was not kept: {lacks}; and {orders.back} is not back: {said}",
        hint="see journalctl -u provisioner-node-return, and install the earlier package by hand: dpkg -i",
    )


FOLDER: Final = PurePosixPath("/var/lib/provisioner-return")
SYSTEM: Final = PurePosixPath("/etc/systemd/system")
SERVICE: Final = "provisioner-node-return.service"
TIMER: Final = "provisioner-node-return.timer"
WANTED: Final = SYSTEM / "multi-user.target.wants" / SERVICE
BACK: Final = "back.deb"
SCRIPT: Final = "return"
ARMED: Final = "armed"
RETURNING: Final = "returning"
OVER: Final = "over"

_SCRIPT: Final = Template("""\
#!/bin/sh
# Written by `provisioner node upgrade`: brings provisioner $version back, unless the newer one was confirmed.
folder=$folder

is_whole() {
	# Where it is another package that dpkg could not finish with, e.g. the manual pages' index.
	[ "$$(dpkg-query --show --showformat='$${db:Status-Abbrev}$${Version}' $package)" = "ii $version" ]
}

returned() {
	mv -T "$$folder/armed" "$$folder/returning" 2>/dev/null || [ -e "$$folder/returning" ] || return 0
	echo "the newer version was not confirmed: $version comes back"
	# One that was killed may still have dpkg's lock: then this fails, and systemd calls again.
	dpkg --force-confdef --force-confold --install "$$folder/$back" </dev/null || is_whole || return 1
	for unit in $units; do
		systemctl start "$$unit" || echo "$$unit does not start: see journalctl -u $$unit"
	done
	mv -T "$$folder/returning" "$$folder/over"
	echo "version $version is back"
}

cleared() {
	systemctl stop $timer 2>/dev/null
	rm -f $wanted $timer_file $service_file
	systemctl daemon-reload
	rm -rf "$$folder"
}

whole() {
	cd /
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
	returned || exit 1
	cleared
	exit 0
}

# It is read to its end before it begins, as it removes itself.
whole
""")
_SERVICE: Final = Template("""\
# Written by `provisioner node upgrade`; it goes once the newer version is confirmed, or this one is back.
[Unit]
Description=Return of this machine's nodes to provisioner $version
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh $script
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
""")
_TIMER: Final = Template("""\
# Written by `provisioner node upgrade`.
[Unit]
Description=Return of this machine's nodes to provisioner $version where nobody confirms the newer one

[Timer]
OnActiveSec=$seconds
AccuracySec=1s
""")


def return_script(version: str, units: Sequence[str]) -> str:
    """The script.

    Args:
        version: the one that comes back, of letters that mean nothing to a shell.
        units: the nodes that ran.
    """
    return _SCRIPT.substitute(
        version=version,
        folder=FOLDER,
        back=BACK,
        package=PACKAGE,
        units=" ".join(f"'{unit}'" for unit in units),
        timer=TIMER,
        wanted=WANTED,
        timer_file=SYSTEM / TIMER,
        service_file=SYSTEM / SERVICE,
    )


def return_service(version: str) -> str:
    """The unit that runs it: for the timer, for whoever cannot wait, and when the machine starts."""
    return _SERVICE.substitute(version=version, script=FOLDER / SCRIPT)


def return_timer(version: str, seconds: float) -> str:
    """The unit that starts that one where nobody confirms."""
    return _TIMER.substitute(version=version, seconds=round(seconds))
