"""An alert comes and goes: a real watch, and Debian's Prometheus and Alertmanager by the files of `monitoring`."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final

from provisioner.integrations.alerting.kit import EVERYTHING, ScrapePlaces
from tests.alarms import Alarms, alarms_by, wait_for
from tests.lab.deployment import Deployment
from tests.lab.patience import stretched
from tests.lab.topology import PLACES
from tests.lab.watching import watching

from . import checks
from .errors import DemoError
from .screen import Screen, line

MOST_S: Final = 150  #: So long an alert is waited for at most, and that it goes.
_EVERY: Final = ("--every", "5")


def not_shown(packages: Collection[str]) -> str:
    """Why no alert can be shown here, and what to do; nothing where no package is lacking."""
    if not packages:
        return ""
    names = " ".join(sorted(packages))
    return f"no alert is shown: this machine lacks {names}; as root: apt-get install -y --no-install-recommends {names}"


def in_words(alert: Mapping[str, Any]) -> list[str]:
    """An alert's name, and what its labels and its texts say."""
    labels: Mapping[str, str] = alert["labels"]
    texts: Mapping[str, str] = alert["annotations"]
    known = {
        "severity": "severity",
        "scope": "how far it reaches: one",
        "object": "what is broken:",
        "facility": "facility",
        "province": "province",
        "carrier": "carrier",
        "host": "relay",
        "inventory": "inventory",
    }
    said = [f"{words} {labels[name]}" for name, words in known.items() if labels.get(name)]
    return [
        f"alert {labels['alertname']}: {texts['summary']}",
        *(f"  {part}" for part in ("; ".join(said[:3]), "; ".join(said[3:])) if part),
        f"  what to do: {texts['action']}",
    ]


@dataclass(frozen=True)
class AlertScene:
    """What is told of an alert while a camera is unplugged."""

    camera: str  #: The camera, as alerts name it.
    _screen: Screen
    _heard: Alarms

    def tell_that_it_came(self, since: float) -> None:
        """Wait for the camera's alert at the Alertmanager, and show it.

        Raises:
            DemoError: it did not come, or another one did.
        """
        self._screen.say("Prometheus asks the watch every five seconds. A camera is down after a minute, not before.")
        left = max(1.0, since + MOST_S - time.monotonic())
        with self._screen.waiting("waiting for the alert"):
            wait_for(lambda: bool(self._shown()), f"the Alertmanager has an alert of {self.camera}", left)
        line()
        line(f"the Alertmanager has it {time.monotonic() - since:.0f} s after the cable was pulled:")
        shown = self._shown()
        for alert in shown:
            for text in in_words(alert):
                line(text)
        checks.one_alert(shown, "ProvisionerDeviceDown", self.camera)
        if hidden := self._heard.states().get("suppressed", 0):
            line(f"  hidden behind it, as it is the same thing: {hidden}")

    def look_for_its_end(self) -> Callable[[], None]:
        """Begin to wait until no alert is left, beside all else.

        Returns:
            what waits for that and tells it; a DemoError where an alert stayed
        """
        took: list[float] = []

        def look() -> None:
            # Where the demo ends before, there is nobody who would answer.
            with suppress(AssertionError, OSError):
                took.append(wait_for(lambda: not self._heard.alerts(), "no alert is left", MOST_S))

        thread = Thread(target=look, daemon=True)
        thread.start()

        def tell() -> None:
            with self._screen.waiting("waiting until the alert is gone"):
                thread.join()
            if not took:
                raise DemoError(f"an alert of {self.camera} was still there {MOST_S} s after the cable was put back")
            line()
            line(f"the alert was gone {took[0]:.0f} s after the cable was put back")

        return tell

    def _shown(self) -> list[dict[str, Any]]:
        """The alerts that nothing hides."""
        return [one for one in self._heard.alerts() if one["status"]["state"] != "suppressed"]


@contextmanager
def alert_scene(deployment: Deployment, screen: Screen, camera: str) -> Iterator[AlertScene]:
    """Run a watch and what makes alerts of it, until the end of the block.

    Raises:
        LabError: the watch ended otherwise than it should.
    """
    folder = deployment.lab.directory / "monitoring"
    folder.mkdir()

    def write(places: ScrapePlaces, addresses: Mapping[str, str]) -> None:
        where = ("--watch", places.watch, "--alertmanager", places.alertmanager)
        deployment.run("monitoring", str(folder), "--webhook", addresses[EVERYTHING], *where)

    screen.say(
        """Between verifications a watch looks at each path again and again. Its metrics go to Prometheus, and alerts to
        an Alertmanager: both are Debian's, and run here by the files that provisioner writes for them."""
    )
    with watching(deployment, deployment.lab.directory, *_EVERY) as watch:
        screen.command(f"{watch.line} &")
        screen.output(watch.printed)
        with alarms_by(write, folder, watch.port) as heard:
            with screen.waiting("the watch looks until it sees all paths flow"):
                wait_for(lambda: watch.paths("up") == len(PLACES), "the watch sees all paths flow", stretched(60))
            yield AlertScene(camera, screen, heard)
        screen.say("What the watch said of it:")
        screen.output(watch.printed)
