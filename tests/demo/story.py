"""The story: from an inventory to pictures at the centre, a safe change, a fault, its alert and repair, the pages."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.alarms import lacking
from tests.lab.deployment import NEW_HOSTS, Deployment
from tests.lab.engine import Engine
from tests.lab.held_readers import Held, HeldReaders
from tests.lab.lab import Lab
from tests.lab.patience import stretched
from tests.lab.topology import CENTRE, FRAME_RATE, GATEWAYS, MANAGED_HOSTS, PLACES, StreamKind, place

from . import checks
from .alert import AlertScene, alert_scene, not_shown
from .errors import DemoError
from .pages import PageServer, of_camera
from .screen import Screen, line

ROOT: Final = Path(__file__).parents[2]
OUT: Final = ROOT / "out" / "demo"
EDITED: Final = place("kcl-bg-002/cam-03")
UNPLUGGED: Final = place("kcl-bg-001/cam-02")
RELAY: Final = EDITED.gateway.relay
UNCHANGED: Final = next(p.gateway.relay for p in PLACES if p.gateway.relay != RELAY)
PATHS: Final = 2 * len(PLACES)
_REPAIR_ATTEMPTS: Final = 6
_AFTER_CHANGE_SECONDS: Final = 3.0


class ShownDeployment(Deployment):
    """The deployment of the lab, each command shown before it runs and its output after it."""

    def __init__(self, lab: Lab, engine: Engine, screen: Screen) -> None:
        """Show on this screen."""
        super().__init__(lab, engine)
        self._screen = screen

    def run(
        self, *words: str, check: bool = True, timeout: float = 240, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in front of everybody."""
        self._screen.command(shlex.join(["provisioner", *words]))
        begun = time.monotonic()
        # Standard error is the demo's own: how far the command is shows while it runs, as its user would see it.
        done = subprocess.run(
            [str(Path(sys.executable).with_name("provisioner")), *words],
            env={**self.environment, "TERM": os.environ.get("TERM", "dumb")},
            input=stdin,
            stdout=subprocess.PIPE,
            text=True,
            timeout=stretched(timeout),
            check=False,
        )
        self.transcript.append(done.stdout)
        self._screen.output(done.stdout, time.monotonic() - begun, ended=done.returncode)
        if check and done.returncode:
            raise DemoError(f"provisioner {words[0]} ended with {done.returncode}; it should end with 0")
        return done

    def note_key(self, facility: str, key: str) -> None:
        """Note a key as an engineer does."""
        self.run("gateway", "set-key", facility, key)


class Story:
    """Tells it on a fresh lab.

    Attributes:
        deployment: the commands and what they work on.
        left_out: why a part was not shown, in a sentence; empty where all was.
        pages: the server of the pages, once there is one.
    """

    def __init__(self, lab: Lab, engine: Engine, screen: Screen, *, keep: bool) -> None:
        """Take a lab that has just booted; `keep` says whether its pages stay when all is told."""
        self.left_out = ""
        self.pages: PageServer | None = None
        self._keep = keep
        self._lab = lab
        self._screen = screen
        self.deployment = ShownDeployment(lab, engine, screen)
        self._plan = lab.directory / "plan.json"

    def tell(self) -> None:
        """Tell the whole.

        Raises:
            DemoError: something came out otherwise than it should.
        """
        parts = (
            *(self._inventory, self._keys_and_sites, self._first_apply),
            *(self._small_change, self._fault, self._pages),
        )
        try:
            for part in parts:
                part()
        except AssertionError as error:
            # What the tests' own pieces insist on.
            raise DemoError(str(error)) from None

    def where_pages_are(self) -> str:
        """Whether the pages can be opened, and where or how; for when all is told."""
        address = self.pages.address if self.pages else ""
        if self._keep:
            return f"the pages are open at {address}"
        return f"the pages were at {address} and have ended; to open them yourself: scripts/demo --keep"

    def end_pages(self) -> None:
        """End the server of the pages, where there is one."""
        if self.pages is not None:
            self.pages.end()

    # --- parts ------------------------------------------------------------------------------------
    def _inventory(self) -> None:
        self._screen.part("An inventory in Git")
        self._screen.say(
            f"""A copy of inventories/lab, filled in with the addresses and SSH host keys of this lab: {len(GATEWAYS)}
            quarantine facilities in three provinces, {len(PLACES)} cameras, two carriers with a relay each, one
            monitoring centre. Camera passwords are in vault-encrypted files. First, addresses in the tunnels and ports
            at the sites are recorded."""
        )
        self.deployment.prepare()
        self.deployment.run("allocate")

    def _keys_and_sites(self) -> None:
        self._screen.part("Keys, and the technicians' part")
        self._screen.say(
            """Private keys are born on the hosts and stay there; the inventory gets the public halves. Each host is
            also left a key with which it proves from now on that it is the same one. That these three are new is said
            once."""
        )
        self.deployment.run("keys", "init", *NEW_HOSTS)
        self._screen.say(
            """Each facility gets a package for its gateway. Technicians run install.sh there as root, and the public
            key that it prints is noted in the facility's file. All sites have the same LAN, 192.168.1.0/24, as real
            ones do."""
        )
        self.deployment.install_sites()
        self.deployment.commit("addresses, keys and gateways")
        self.deployment.run("validate")

    def _first_apply(self) -> None:
        self._screen.part("Plan, apply, verify")
        self._screen.say(
            """The plan names every change on every host, first of all whom and what it would trust anew, which is
            allowed by number. What is applied is exactly the plan that was seen."""
        )
        self._make_plan(*NEW_HOSTS)
        self._screen.say(
            """Each host checks everything beside what runs, switches in one transaction, and goes back by itself unless
            it is confirmed over a new SSH connection."""
        )
        self.deployment.run("apply", str(self._plan))
        self._screen.say(
            """Up means proved: the tunnel, the camera's port, packets at the relay, and a key frame decoded both at the
            relay and at the monitoring centre."""
        )
        report = self.deployment.run("verify").stdout
        checks.all_up(report, PATHS)

    def _small_change(self) -> None:
        self._screen.part("One camera changes, nobody else notices")
        spare = EDITED.device.spare[0].channel
        self._screen.say(
            f"""The recorder of {EDITED.gateway.facility} shows {EDITED.camera.id} on channel {spare} from now on. One
            line of the inventory changes."""
        )
        facility = EDITED.gateway.facility
        file = self.deployment.facility_file(facility)
        before = rf"(- id: {EDITED.camera.id}\n(?:    .*\n)*?    channel: ){EDITED.camera.channel}\b"
        self.deployment.substitute(file, before, rf"\g<1>{spare}")
        self._git("diff")
        self._screen.say(
            "What DIC, Health and the carrier signed is not this: until they agree, nothing is changed anywhere."
        )
        checks.refused(self.deployment.run("validate", check=False), facility)
        agreed = ("--by", "dic", "--by", "health", "--by", "carrier", "--source", "invented minutes 02")
        self.deployment.run("sign-off", facility, *agreed)
        self.deployment.commit(f"{EDITED.id} is on channel {spare}")
        paths = [p.path(StreamKind.SUB) for p in PLACES if p.gateway.relay == RELAY]
        elsewhere = [p.path(StreamKind.SUB) for p in PLACES if p.gateway.relay == UNCHANGED]
        self._screen.say(
            f"""At the monitoring centre {len(paths)} readers play what {RELAY} relays, and {len(elsewhere)}, to compare
            with, what {UNCHANGED} does."""
        )
        with (
            HeldReaders(self.deployment, RELAY, paths) as readers,
            HeldReaders(self.deployment, UNCHANGED, elsewhere) as others,
        ):
            plan = self._make_plan()
            checks.only_these_paths(plan, RELAY, {EDITED.path(kind) for kind in StreamKind}, viewers=1)
            self._screen.say(
                "Checked: the plan touches the two paths of that camera and no other, and cuts one reader."
            )
            readers.mark()
            others.mark()
            self.deployment.run("apply", str(self._plan))
            with self._screen.waiting("the readers play on"):
                time.sleep(_AFTER_CHANGE_SECONDS)
                seen = readers.finish()
                longest = checks.gap_nobody_sees(seen, others.finish())
        self._tell_readers(seen, longest)

    def _tell_readers(self, seen: list[Held], longest: float) -> None:
        line()
        width = max(len(reader.path) for reader in seen)
        line(f"{'reader at ' + CENTRE.name:<{width}}  packets  largest gap: before  during the change")
        for reader in seen:
            gaps = f"{reader.gap_before:>17.2f} s  {reader.longest_gap:>15.2f} s"
            line(f"{reader.path:<{width}}  {reader.packets:>7}  {gaps}  {reader.end}".rstrip())
        checks.readers_undisturbed(seen, EDITED.path(StreamKind.SUB), longest)
        others = [reader for reader in seen if reader.played_on]
        worst = max(reader.longest_gap for reader in others)
        self._screen.say(
            f"""Checked: {len(others)} readers of other paths were never interrupted; while the change was applied the
            largest gap between two packets was {worst:.2f} s (allowed: {longest:.2f} s, what readers of the other
            relay missed meanwhile counted in; cameras send a picture every {1 / FRAME_RATE} s)."""
        )

    def _fault(self) -> None:
        self.left_out = not_shown(lacking())
        whole = "A camera is unplugged, an alert comes; it is plugged in, and the alert goes"
        self._screen.part("A camera is unplugged, and plugged in again" if self.left_out else whole)
        camera = self._lab.camera(UNPLUGGED.id)
        with self._alerts() as scene:
            self._screen.say(
                f"Somebody pulls the network cable of {UNPLUGGED.camera.id} in {UNPLUGGED.gateway.facility}."
            )
            pulled = time.monotonic()
            camera.unplug()
            done = self.deployment.run("verify", "--once", "--html", _shown_path("unplugged.html"), check=False)
            if done.returncode != 1:
                raise DemoError(f"verify ended with {done.returncode}; with a camera unplugged it should end with 1")
            checks.names_only(done.stdout, UNPLUGGED.id, "camera unplugged", PATHS)
            self._screen.say("Checked: verify ends with 1 and names the facility, the camera and the cause.")
            if scene:
                scene.tell_that_it_came(pulled)
            self._screen.say("The cable is put back.")
            camera.plug()
            tell_its_end = scene.look_for_its_end() if scene else lambda: None
            self._wait_until_up()
            tell_its_end()

    @contextmanager
    def _alerts(self) -> Iterator[AlertScene | None]:
        """What tells of alerts until the end of the block; nothing where the programs for it are not here."""
        if self.left_out:
            self._screen.say(f"Left out: {self.left_out}")
            yield None
            return
        with alert_scene(self.deployment, self._screen, UNPLUGGED.id) as scene:
            yield scene

    def _pages(self) -> None:
        self._screen.part("The pages where people look")
        self._screen.say("Who does not type looks here: read-only pages of what the verifications recorded.")
        self._screen.command("provisioner serve --port 0 &")
        self.pages = PageServer.start(self.deployment, self._lab.directory / "pages.log", outlives=self._keep)
        self.pages.wait()
        self._screen.output(self.pages.printed)
        front = self.pages.read("")
        incidents = self.pages.read(front.link("/incidents"))
        facilities = self.pages.read(front.link("/facilities"))
        facility = self.pages.read(facilities.link(f"/facilities/{UNPLUGGED.gateway.facility}"))
        for page, shown in ((incidents, incidents.lines), (facility, of_camera(facility.lines, UNPLUGGED.camera.id))):
            line()
            line(page.address)
            self._screen.output("\n".join(f"  {text}" for text in shown))
        checks.pages_say_all_is_well(incidents.lines, facility.lines, UNPLUGGED.camera.id)
        self._screen.say(
            f"Checked: no incident is left, and the page of {UNPLUGGED.gateway.facility} has {UNPLUGGED.camera.id}."
        )
        if not self._keep:
            self.pages.end()

    def _wait_until_up(self) -> None:
        for _ in range(_REPAIR_ATTEMPTS):
            done = self.deployment.run("verify", "--once", "--html", _shown_path("verify.html"), check=False)
            if done.returncode == 0:
                checks.all_up(done.stdout, PATHS)
                return
            if done.returncode != 1:
                raise DemoError(f"verify ended with {done.returncode}")
        raise DemoError(f"{UNPLUGGED.id} is plugged in again, but not all paths came up")

    # --- means ------------------------------------------------------------------------------------
    def _make_plan(self, *words: str) -> dict[str, Any]:
        self.deployment.run("plan", "--out", str(self._plan), *words)
        document: dict[str, Any] = json.loads(self._plan.read_text(encoding="utf-8"))
        return document

    def _git(self, *words: str) -> None:
        self._screen.command(shlex.join(["git", *words]))
        self._screen.output(self.deployment.git(*words))


def _shown_path(name: str) -> str:
    """A page's path as a person in this folder would write it."""
    OUT.mkdir(parents=True, exist_ok=True)
    return os.path.relpath(OUT / name)


def where_the_site_is() -> str:
    """Say where the documentation's pages are, or which command builds them."""
    page = ROOT / "out/docs/index.html"
    return f"documentation: {page if page.is_file() else 'scripts/docs builds it as pages with a search'}"


def what_next(deployment: Deployment, lab: Lab, pages: PageServer | None) -> list[str]:
    """The lines that say what to do with a lab that was kept, and with its pages."""
    python = ROOT / ".venv/bin/python"
    names = (
        *("PROVISIONER_ARTEFACTS", "PROVISIONER_INVENTORY", "ANSIBLE_VAULT_PASSWORD_FILE"),
        *("PROVISIONER_SSH_KEY", "PROVISIONER_STATE"),
    )
    inside = f"{python} -m tests.lab exec --run {lab.run}"
    facility, device = UNPLUGGED.gateway, UNPLUGGED.device
    opened = [f"xdg-open {pages.address}  # or any browser on this machine"] if pages else []
    ended = [f"kill {pages.process.pid}  # ends the pages"] if pages else []
    return [
        *opened,
        f"cd {shlex.quote(str(ROOT))}",
        f'export PATH={shlex.quote(str(ROOT / ".venv/bin"))}:"$PATH"',
        *(f"export {name}={shlex.quote(deployment.environment[name])}" for name in names),
        "provisioner verify --details",
        f'"${{EDITOR:-nano}}" {shlex.quote(str(deployment.facility_file(EDITED.gateway.facility)))}',
        "provisioner plan",
        "provisioner apply",
        f"{inside} {facility.name} systemctl stop camera@{device.id}  # then: verify, and see the pages change",
        f"{inside} {facility.name} systemctl start camera@{device.id}",
        f"{inside} {MANAGED_HOSTS[0]} nft list table inet provisioner",
        f"{inside} {MANAGED_HOSTS[0]} wg show",
        *ended,
        f"{python} -m tests.lab down --run {lab.run}  # removes the lab",
    ]
