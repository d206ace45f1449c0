"""The third story: two carriers' controllers that share nothing, and the ministry's view of both."""

import os
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.lab.engine import Engine
from tests.lab.lab import Lab
from tests.lab.patience import stretched
from tests.lab.sides import NEW, Side
from tests.lab.topology import RELAYS, StreamKind
from tests.processes import end

from . import checks
from .errors import DemoError
from .pages import PageServer
from .screen import Screen, line
from .story import OUT, UNPLUGGED, ShownDeployment

_HOURS: Final = 0.03  #: The agreed time between two reports of the second controller.


class Controller(Side, ShownDeployment):
    """A carrier's own controller, shown as it works: inventory, vault, state, and a key for reports."""

    def run(
        self, *words: str, check: bool = True, timeout: float = 240, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in front of everybody, and say whose it is."""
        line()
        line(f"{self.carrier}'s controller:")
        return super().run(*words, check=check, timeout=timeout, stdin=stdin)

    def prepare(self) -> None:
        """Make an inventory of this carrier alone, a key for reports, and the folder into which they go."""
        super().prepare()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self._key)], check=True)
        (self.lab.directory / "reports" / self.carrier).mkdir(parents=True)
        self._settings.write_text(f'key = "{self._key.name}"\nfolder = "reports/{self.carrier}"\n')

    @property
    def _key(self) -> Path:
        return self.lab.directory / f"{self.carrier}-report.key"

    @property
    def _settings(self) -> Path:
        return self.lab.directory / f"{self.carrier}-report.toml"

    @property
    def number(self) -> int:
        """The number of its paths."""
        return len(StreamKind) * len(self.paths)

    def report(self, *words: str) -> None:
        """Sign and send a report."""
        self.run("report", "publish", str(self._settings), *words)

    def trusted(self, hours: float) -> str:
        """Return the lines of the ministry's file that trust this controller."""
        public = " ".join(self._key.with_suffix(".key.pub").read_text(encoding="ascii").split()[:2])
        provinces = ", ".join(f'"{name}"' for name in sorted({gateway.province for gateway in self.gateways}))
        table = f'[controllers.{self.carrier}]\nkeys = ["{public}"]\nhours = {hours}\n'
        return f"{table}[controllers.{self.carrier}.provinces]\n{self.carrier} = [{provinces}]\n"


class MinistryStory:
    """Tells it on a fresh lab, whose monitoring centre both carriers share."""

    def __init__(self, lab: Lab, engine: Engine, screen: Screen) -> None:
        """Take a lab that has just booted."""
        self._lab, self._screen = lab, screen
        self._controllers = tuple(Controller(lab, engine, relay.carrier, screen) for relay in RELAYS)
        self._ministry = ShownDeployment(lab, engine, screen)
        self._ministry.variables |= {"PROVISIONER_INVENTORY": "", "PROVISIONER_SSH_KEY": ""}
        self._pages: PageServer | None = None
        self._reported = 0.0

    def tell(self) -> None:
        """Tell the whole.

        Raises:
            DemoError: something came out otherwise than it should.
        """
        try:
            for part in (self._two_controllers, self._two_reports, self._unplug, self._stop):
                part()
        except AssertionError as error:
            raise DemoError(str(error)) from None

    def end(self) -> None:
        """End the pages; what else there is goes with the lab."""
        if self._pages:
            end(self._pages.process)

    # --- parts ------------------------------------------------------------------------------------
    def _two_controllers(self) -> None:
        first, second = self._controllers
        self._screen.part("Two carriers, each with its own controller")
        self._screen.say(
            f"""{first.carrier} and {second.carrier} each have an inventory, a vault, a state and a relay of their own,
            and a side of the one monitoring centre. Neither has a file of the other's."""
        )
        for controller in self._controllers:
            controller.prepare()
        for controller in self._controllers:
            controller.make_ready()
            controller.run("apply", "--yes", *NEW)
            checks.all_up(controller.run("verify").stdout, controller.number)

    def _two_reports(self) -> None:
        self._screen.part("Signed reports, and the ministry's view")
        self._screen.say(
            """Each controller signs a report of what it has proved: states, deadlines, counts and causes; no person, no
            address, no login, no host. The ministry's file has their keys, the provinces that they may report, and the
            agreed time between two reports, which is short here for the one that is stopped later."""
        )
        first, second = self._controllers
        keys = self._lab.directory / "keys.toml"
        text = f'scheme = "gso-2021"\n{first.trusted(26)}{second.trusted(_HOURS)}'
        keys.write_text(text)
        self._screen.command("cat keys.toml")
        self._screen.output(text)
        for controller in self._controllers:
            controller.report()
        total = sum(controller.number for controller in self._controllers)
        self._see(0, f"paths: {total} up", "2 of 2 controllers current")

    def _unplug(self) -> None:
        first, second = self._controllers
        self._screen.part("A camera is unplugged at one")
        self._screen.say(f"Somebody pulls the network cable of {UNPLUGGED.camera.id} in {UNPLUGGED.gateway.facility}.")
        self._lab.camera(UNPLUGGED.id).unplug()
        done = first.run("verify", "--once", check=False)
        checks.names_only(done.stdout, UNPLUGGED.id, "camera unplugged", first.number)
        first.report("--changes")
        second.report("--changes")
        self._reported = time.monotonic()
        up = first.number + second.number - 2
        self._see(0, f"paths: 2 down, {up} up", "2 of 2 controllers current")
        self._screen.say("The ministry's pages, which update themselves:")
        self._pages = PageServer.start(
            self._ministry, self._lab.directory / "view.log", "view", "serve", *self._reports, outlives=False
        )
        self._pages.wait()
        self._screen.output(self._pages.printed)
        self._page(f"/facilities/{UNPLUGGED.gateway.province}.{UNPLUGGED.gateway.facility}", "camera unplugged")

    def _stop(self) -> None:
        first, second = self._controllers
        self._screen.part("The other controller is stopped")
        self._screen.say(
            f"""{second.carrier}'s controller reports no more. Its last word was green. The ministry does not go on
            believing it: after the agreed time its half is unknown, in each total."""
        )
        with self._screen.waiting(f"{second.carrier}'s agreed time passes"):
            time.sleep(max(0.0, self._reported + _HOURS * 3600 + 1 - time.monotonic()))
        self._see(
            1,
            f"paths: 2 down, {second.number} unknown, {first.number - 2} up",
            f"{second.carrier}: silent",
            "1 of 2 controllers current",
        )
        (site,) = second.gateways
        self._page(f"/facilities/{site.province}.{site.facility}", f"{second.number} unknown")
        self._screen.say("The progress report of both is one document, and one sheet:")
        OUT.mkdir(parents=True, exist_ok=True)
        files = [os.path.relpath(OUT / f"progress.{kind}") for kind in ("docx", "xlsx")]
        done = self._ministry.run(
            *("view", "export", *self._reports, "--docx", files[0], "--out", files[1], "--force"), check=False
        )
        if done.returncode or "1/2 controllers current" not in done.stdout:
            raise DemoError("view export should count both controllers, and say that one is current")

    # --- means ------------------------------------------------------------------------------------
    @property
    def _reports(self) -> tuple[str, ...]:
        place = self._lab.directory
        return "--reports", str(place / "reports"), "--keys", str(place / "keys.toml")

    def _see(self, code: int, *told: str) -> None:
        """Show the view's state, and insist on its exit code and these words."""
        line()
        line("the ministry:")
        done = self._ministry.run("view", "status", *self._reports, check=False)
        lacking = [words for words in told if words not in done.stdout]
        if lacking or done.returncode != code:
            raise DemoError(f"view status ended with {done.returncode}; it should end with {code} and say: {lacking}")

    def _page(self, ending: str, words: str) -> None:
        """Show a page of the view, and insist on some words in it."""
        if self._pages is None:
            raise DemoError("no pages are served")
        until = time.monotonic() + stretched(20)
        while True:
            page = self._pages.read(self._pages.read("").link("/facilities"))
            page = self._pages.read(page.link(ending))
            if any(words in text for text in page.lines):
                break
            if time.monotonic() > until:
                raise DemoError(f"{page.address} should say: {words}")
            time.sleep(0.5)
        line()
        line(page.address)
        self._screen.output("\n".join(f"  {text}" for text in page.lines))
