"""The second story: a carrier whose hosts no controller reaches, changed and proved by its node over a broker."""

import ipaddress
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from tests.lab.deployment import NEW_HOSTS
from tests.lab.docker_cli import KEEP_LABEL, LABEL, OWNER_LABEL, RUN_LABEL, docker
from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.patience import stretched
from tests.lab.topology import JUMP, PLACES, RELAYS
from tests.nodes.broker import server_program
from tests.processes import end, free_port, started

from . import checks
from .errors import DemoError
from .screen import Screen, line
from .story import ShownDeployment

CARRIER: Final = JUMP.carrier
RELAY: Final = next(relay.name for relay in RELAYS if relay.carrier == CARRIER)
PATHS: Final = 2 * len(PLACES)
FACILITY: Final = next(place.gateway.facility for place in PLACES if place.gateway.relay == RELAY)
CAMERA: Final = r"  - id: cam-02\n(?:    .*\n)+"
LACKING: Final = "Debian's nats-server is missing; install it: apt-get install -y nats-server"
_NOT_REACHED: Final = 5
_SSH_S: Final = 3.0
_SSH: Final = b"SSH-"
_START_S: Final = 20.0


class CarriersStory:
    """Tells it on a fresh lab, whose second carrier gets a network of its own without a way in.

    Attributes:
        deployment: the commands and what they work on.
    """

    def __init__(self, lab: Lab, engine: Engine, screen: Screen) -> None:
        """Take a lab that has just booted."""
        self._lab, self._screen = lab, screen
        self.deployment = ShownDeployment(lab, engine, screen)
        self._network, self._machine = f"{lab.project}-{CARRIER}", f"{lab.project}-node-{CARRIER}"
        self._folder = lab.directory / "nodes"
        self._running: list[subprocess.Popen[bytes]] = []

    def tell(self) -> None:
        """Tell the whole.

        Raises:
            DemoError: something came out otherwise than it should.
        """
        try:
            for part in (self._carrier, self._nobody_gets_in, self._broker_and_node, self._change, self._broker_dies):
                part()
        except AssertionError as error:
            raise DemoError(str(error)) from None

    def end(self) -> None:
        """End node and broker; what else there is goes with the lab."""
        for process in reversed(self._running):
            end(process, stretched(20))

    # --- parts ------------------------------------------------------------------------------------
    def _carrier(self) -> None:
        self._screen.part("A carrier that lets nobody in")
        self._screen.say(
            f"""{RELAY} and its jump host are taken out of the controller's network and put into one of VNPT's own, in
            which this machine has no address. In there is one more machine, the node's, that may dial out."""
        )
        self.deployment.prepare()
        labels = [
            word
            for name, value in (
                (LABEL, "network"),
                (RUN_LABEL, self._lab.run),
                (OWNER_LABEL, self._lab.compose_environment["LAB_OWNER"]),
                (KEEP_LABEL, "no"),
            )
            for word in ("--label", f"{name}={value}")
        ]
        without = "com.docker.network.bridge.inhibit_ipv4=true"
        docker("network", "create", "--internal", "--opt", without, *labels, self._network)
        management = docker(
            "inspect", "--format", "{{range $n, $_ := .NetworkSettings.Networks}}{{$n}} {{end}}",
            self._lab.container(JUMP.name),
        ).stdout.split()[0]  # fmt: skip
        sleep = ("--entrypoint", "sleep", self._lab.compose_environment["LAB_IMAGE"], "infinity")
        docker("run", "--detach", "--name", self._machine, "--network", management, *labels, *sleep)
        for container in (self._lab.container(RELAY), self._lab.container(JUMP.name), self._machine):
            docker("network", "connect", self._network, container)
        for host in (RELAY, JUMP.name):
            docker("network", "disconnect", management, self._lab.container(host))
        self._write_addresses()
        self.deployment.run("allocate")

    def _write_addresses(self) -> None:
        file = self.deployment.root / f"carriers/{CARRIER}.yml"
        relay, jump = self._address(self._lab.container(RELAY)), self._address(self._lab.container(JUMP.name))
        self.deployment.substitute(file, r"(\n    address: )\S+", rf"\g<1>{relay}")
        self.deployment.substitute(file, r"(?s)(\njump:.*?address: )\S+", rf"\g<1>{jump}")
        self.deployment.substitute(file, r"(management_networks: )\[.*\]", rf"\g<1>[{self._subnet()}]")
        self.deployment.commit(f"{CARRIER} has a network of its own")

    def _nobody_gets_in(self) -> None:
        self._screen.part("What the controller can do there: nothing")
        jump = self._address(self._lab.container(JUMP.name))
        self._screen.say(
            f"This machine has no route to {jump}, VNPT's jump host, but its default one. It dials port 22:"
        )
        # Behind a default route there may be somebody who takes every connection: what counts is who answers.
        try:
            with socket.create_connection((str(jump), 22), timeout=_SSH_S) as connection:
                said = connection.recv(len(_SSH))
        except OSError as error:
            said = str(error).encode()
        if said.startswith(_SSH):
            raise DemoError(f"{jump} is reached from here, and should not be")
        line(f"  {jump}:22: no SSH server answers ({said.decode(errors='replace')})")

    def _broker_and_node(self) -> None:
        self._screen.part("A broker, and a node inside the carrier's network")
        self._screen.say(
            """Both ends dial out to a broker, Debian's nats-server with JetStream. What travels over it is sealed and
            signed from end to end; each end is known there by its certificate."""
        )
        self._folder.mkdir(mode=0o700)
        place = str(self._lab.controller_address())
        broker = self._folder / "broker"
        self.deployment.run("node", "broker", str(broker), "--place", place, "--carrier", CARRIER)
        configuration = broker / "nats-server.conf"
        text = configuration.read_text(encoding="utf-8").replace(
            "/var/lib/nats/provisioner", str(self._folder / "store")
        )
        port = free_port()
        configuration.write_text(text.replace("[::]:4222", f"{place}:{port}"), encoding="utf-8")
        lines = {end: self.deployment.run("node", "key", str(self._folder / f"{end}.key"), "--make").stdout.strip()
                 for end in ("controller", "node")}  # fmt: skip
        self._write_files(f"tls://{place}:{port}", lines)
        self._start([server_program(), "-c", str(configuration)], "broker.log")
        _wait(lambda: _listens(place, port), "the broker listens")
        self._screen.command(f"nats-server -c {shlex.quote(str(configuration))} &")
        file = self._folder / "node.toml"
        self._screen.command(f"provisioner node run {shlex.quote(str(file))} &  # on VNPT's machine")
        self._start([*self._inside(), sys.executable, "-m", "provisioner", "node", "run", str(file)], "node.log")
        _wait(lambda: "works" in self._journal(), "the node works")
        self._screen.output(self._journal())

    def _write_files(self, broker: str, lines: dict[str, str]) -> None:
        def dials(name: str) -> str:
            files = {"ca": "ca.pem", "certificate": f"{name}.pem", "certificate_key": f"{name}.key"}
            return f'broker = "{broker}"\n' + "".join(f'{k} = "broker/{v}"\n' for k, v in files.items())

        (self._folder / "node.toml").write_text(
            f'{dials(f"node-{CARRIER}")}carrier = "{CARRIER}"\nkey = "node.key"\nstate = "state"\n'
            f'controllers = ["{lines["controller"]}"]\nnetworks = ["{self._subnet()}"]\n'
            f'ssh_key = "{self._lab.ssh_key}"\nmediamtx = ["{self.deployment.engine.sha256}"]\n'
        )
        nodes = self._folder / "nodes.toml"
        nodes.write_text(f'{dials("controller")}key = "controller.key"\n[nodes]\n{CARRIER} = "{lines["node"]}"\n')
        self.deployment.variables["PROVISIONER_NODES"] = str(nodes)

    def _change(self) -> None:
        self._screen.part("Keys, sites, a plan, an apply: each host from where it is reached")
        self.deployment.run("keys", "init", *NEW_HOSTS)
        self.deployment.install_sites()
        self.deployment.commit("addresses, keys and gateways")
        self.deployment.run("apply", "--yes", *NEW_HOSTS)
        checks.all_up(self.deployment.run("verify").stdout, PATHS)
        self._screen.say(f"One camera of {FACILITY} is taken out, which is VNPT's.")
        self.deployment.edit_facility(FACILITY, CAMERA, "")
        self.deployment.run("allocate")
        before = len(self._journal())
        self.deployment.run("apply", "--yes")
        self._screen.say("What VNPT's people see of that in their node's journal:")
        begun = [told for told in self._journal()[before:].splitlines() if " is begun: " in told]
        self._screen.output("\n".join(begun))
        if not any(told.endswith(f": apply on {RELAY}") for told in begun):
            raise DemoError(f"the node did not apply anything on {RELAY}")
        checks.all_up(self.deployment.run("verify").stdout, PATHS - 2)

    def _broker_dies(self) -> None:
        self._screen.part("The broker is killed, and comes back")
        broker = self._running[0]
        broker.send_signal(signal.SIGKILL)
        broker.wait()
        done = self.deployment.run("drift", check=False)
        if done.returncode != _NOT_REACHED:
            raise DemoError(f"drift ended with {done.returncode}; without a broker it should end with {_NOT_REACHED}")
        self._start([server_program(), "-c", str(self._folder / "broker/nats-server.conf")], "broker.log")
        self._screen.say("It is started again. The last word is a verification by the node:")
        checks.all_up(self.deployment.run("verify").stdout, PATHS - 2)

    # --- means ------------------------------------------------------------------------------------
    def _inside(self) -> list[str]:
        """The words by which a program of this machine runs in the network of the node's machine."""
        process = docker("inspect", "--format", "{{.State.Pid}}", self._machine).stdout.strip()
        return ["nsenter", f"--net=/proc/{process}/ns/net", "--"]

    def _start(self, words: list[str], log: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = kept | {"XDG_RUNTIME_DIR": str(self.deployment.runtime)}
        self._running.append(started(words, self._folder / log, environment=own))

    def _journal(self) -> str:
        return (self._folder / "node.log").read_text(encoding="utf-8")

    def _address(self, container: str) -> ipaddress.IPv4Address:
        form = f'{{{{(index .NetworkSettings.Networks "{self._network}").IPAddress}}}}'
        return ipaddress.IPv4Address(docker("inspect", "--format", form, container).stdout.strip())

    def _subnet(self) -> str:
        return docker(
            "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", self._network
        ).stdout.strip()


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + stretched(_START_S)
    while not is_so():
        if time.monotonic() > until:
            raise DemoError(f"{what} not after {_START_S:.0f} s")
        time.sleep(0.1)
