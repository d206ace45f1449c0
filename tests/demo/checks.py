"""What the demo insists on. Pure: documents and texts in, an error out where they are not as they should be."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from subprocess import CompletedProcess
from typing import Any, Final

from tests.lab.held_readers import LONGEST_GAP, Held
from tests.lab.topology import FRAME_RATE

from .errors import DemoError

_INVALID: Final = 3
RELAY_FILE: Final = "/etc/provisioner/mediamtx.yml"


def only_these_paths(plan: Mapping[str, Any], relay: str, paths: Collection[str], *, viewers: int) -> None:
    """Insist that a plan updates these paths and the relay's file, and touches nothing else anywhere."""
    found = {
        (change["host"], change["resource"], change["name"], change["action"])
        for change in plan["changes"]
        if change["action"] != "noop"
    }
    wanted = {(relay, "path", name, "update") for name in paths} | {(relay, "file", RELAY_FILE, "update")}
    if found != wanted:
        listed = ", ".join(" ".join(change) for change in sorted(found ^ wanted))
        raise DemoError(f"the plan should touch one camera's paths and nothing else; what differs: {listed}")
    if plan["summary"]["viewers_dropped"] != viewers:
        raise DemoError(f"the plan counts {plan['summary']['viewers_dropped']} viewers to be dropped, not {viewers}")


def refused(done: CompletedProcess[str], facility: str) -> None:
    """Insist that an edit of what was signed is refused."""
    if done.returncode != _INVALID or f"facility {facility}: edited since it was signed by" not in done.stdout:
        raise DemoError(f"validate should refuse the edit of {facility}: nobody has signed it")


def gap_nobody_sees(readers: Iterable[Held], elsewhere: Iterable[Held]) -> float:
    """How long a reader may stay without a packet here, in seconds, and the change is not the cause.

    Args:
        readers: those of the relay that is changed; what they missed before the change is this machine's doing.
        elsewhere: those of a relay that is not changed; what they missed meanwhile is this machine's doing as well.
    """
    machine = [reader.gap_before for reader in readers] + [reader.longest_gap for reader in elsewhere]
    return LONGEST_GAP + max(0.0, max(machine, default=0.0) - 1 / FRAME_RATE)


def readers_undisturbed(readers: Iterable[Held], edited: str, longest: float) -> None:
    """Insist that readers of all paths but the edited one played on, without a gap longer than so many seconds."""
    for reader in readers:
        if reader.path == edited:
            if not reader.end:
                raise DemoError(f"the reader of {edited} was not cut, although its source has changed")
        elif not reader.played_on:
            raise DemoError(f"the reader of {reader.path} was interrupted: {reader.end or 'no packet came'}")
        elif reader.longest_gap > longest:
            raise DemoError(
                f"{reader.path} stood still for {reader.longest_gap:.2f} s, more than {longest:.2f} s"
                f" (before the change: {reader.gap_before:.2f} s)"
            )


def all_up(report: str, paths: int) -> None:
    """Insist that a report says that every path is up."""
    if f"all {paths} paths are up" not in report:
        raise DemoError(f"verify should say that all {paths} paths are up")


def names_only(report: str, camera: str, cause: str, paths: int) -> None:
    """Insist that a report names one camera with its facility and the cause, and no other incident."""
    if not re.search(rf"^ +down +camera {re.escape(camera)}: {re.escape(cause)}, 2 paths$", report, re.MULTILINE):
        raise DemoError(f"verify should name the camera {camera} with the cause: {cause}")
    if "incidents: 1\n" not in report or f"{paths - 2} of {paths} paths are up: 2 down\n" not in report:
        raise DemoError(f"verify should find nothing else wrong than the two paths of {camera}")


def one_alert(alerts: Sequence[Mapping[str, Any]], name: str, what: str) -> None:
    """Insist that one alert is shown, of this name and this thing."""
    found = [(one["labels"]["alertname"], one["labels"].get("object", "")) for one in alerts]
    if found != [(name, what)]:
        listed = ", ".join(" ".join(one) for one in found)
        raise DemoError(f"there should be one alert, {name} of {what}, and not: {listed}")


def pages_say_all_is_well(incidents: Collection[str], facility: Collection[str], camera: str) -> None:
    """Insist that the page of incidents has none, and that a facility's page has a camera, up."""
    if "No incident." not in incidents:
        raise DemoError("the page of incidents should have none: all was repaired")
    if not any(re.match(rf"up {re.escape(camera)}\b", text) for text in facility):
        raise DemoError(f"the facility's page should say that {camera} is up")
