"""A person accepts what cameras show, and later checks tell who was moved, by views that the history kept."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from provisioner.desired.spec import MediaPath
from provisioner.verify.picture_measures import PictureView
from tests.laws.test_reference_laws import scene as view_of
from tests.recorded import RecordingController, applied_controller
from tests.unit.verify.world import packets, picture, scene
from tests.watched import WatchedHosts

FACILITY = ("--limit", "facility=kcl-bg-002")
PATH = "bac-giang/kcl-bg-002/cam-01/sub"


class SeeingHosts(WatchedHosts):
    """Hosts whose readers measure what each camera shows."""

    def __init__(self) -> None:
        super().__init__()
        self.views: dict[str, PictureView] = {}
        self._looks = 0

    def _read(self, path: MediaPath) -> dict[str, Any]:
        self._looks += 1
        view = self.views.get(path.name, view_of(len(path.name) + sum(map(ord, path.name))))
        measured = scene(grid=view.grid, strengths=view.strengths, sharpness=view.sharpness)
        key = packets(keys=[f"{self._looks:016x}"], key_count=1)
        return super()._read(path) | {"picture": picture(scene=measured, packets=key)}


class Person(RecordingController):
    """A person with the program."""

    def verify(self, *arguments: str) -> dict[str, Any]:
        return self.run("--output", "json", "verify", *FACILITY, *arguments).document

    def path(self, *arguments: str) -> dict[str, Any]:
        """What a verification says of one path."""
        return next(one for one in self.verify(*arguments)["paths"] if one["path"] == PATH)

    def show(self, view: PictureView) -> None:
        """Let the camera of the path show another view."""
        assert isinstance(self.hosts, SeeingHosts)
        self.hosts.views[PATH] = view


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """A person whose hosts hold what the example says."""
    hosts = SeeingHosts()
    hosts.hosts = applied_controller(tmp_path).hosts.hosts
    return Person(tmp_path, hosts)


def test_what_was_accepted_is_kept_and_compared(person: Person) -> None:
    assert person.path()["reference"] is None
    document = person.verify("--accept")
    assert all(one["accepted"] for one in document["accepted"]), document["accepted"]
    after = person.path()
    assert (after["reference"]["count"], after["picture"]["suspects"], after["to_look_at"]) == (1, [], [])
    person.show(view_of(3))
    moved = person.path()
    assert (moved["verdict"], moved["picture"]["suspects"]) == ("up", ["moved"])
    # Three checks at once are one moment: nobody is sent out.
    assert [person.path()["to_look_at"] for _ in range(3)] == [[], [], []]


def test_the_record_says_who_accepted_what(person: Person) -> None:
    person.verify("--accept")
    with closing(person.history) as history:
        latest = history.runs()[0]
        document = history.document(latest.run.id)
    assert document is not None
    accepted: Any = document["accepted"]
    assert {one["path"] for one in accepted if one["accepted"]} >= {PATH}
    assert set(latest.run.who) == {"user", "machine", "job"}


def test_a_suspect_view_is_accepted_only_anew(person: Person) -> None:
    person.verify("--accept")
    person.show(view_of(3))
    refused = next(one for one in person.verify("--accept")["accepted"] if one["path"] == PATH)
    assert (refused["accepted"], "--renew" in refused["refused"]) == (False, True)
    renewed = next(one for one in person.verify("--accept", "--renew")["accepted"] if one["path"] == PATH)
    assert renewed["accepted"]
    now = person.path()
    assert (now["picture"]["suspects"], now["reference"]["count"]) == ([], 1)


def test_another_view_of_a_camera_that_turns_is_accepted_beside_the_first(person: Person) -> None:
    file = person.root / "facilities" / "bac-giang" / "kcl-bg-002.yml"
    turning = re.sub(r"(?m)^( +)- id: cam-01$", r"\g<0>\n\1  tour: true", file.read_text())
    assert turning.count("tour: true") == 1
    file.write_text(turning)
    person.verify("--accept")
    person.show(view_of(3))
    again = next(one for one in person.verify("--accept")["accepted"] if one["path"] == PATH)
    assert (again["accepted"], again["refused"]) == (True, "")
    assert person.path()["reference"]["count"] == 2


def test_what_is_not_up_is_not_accepted(person: Person) -> None:
    person.hosts.silent = {PATH}
    refused = next(one for one in person.verify("--accept", "--once")["accepted"] if one["path"] == PATH)
    assert not refused["accepted"]
    person.hosts.silent = set()
    assert person.path()["reference"] is None


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (("verify", "--accept"), {}),
        (("verify", "--renew", *FACILITY), {}),
        (("verify", "--accept", *FACILITY), {"GITLAB_CI": "true", "CI_PROJECT_PATH": "noc", "CI_JOB_ID": "7"}),
    ],
)
def test_a_word_that_nobody_can_give_is_refused(
    person: Person, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    assert person.run(*arguments, **environment).code == 2
    assert person.path()["reference"] is None


def test_text_tells_of_references_and_acceptances(person: Person) -> None:
    said = person.run("verify", "--accept", "--details", *FACILITY).out
    assert f"  {PATH}: it has references by" in said or f"  {PATH}: accepted" in said
    assert "references: " in said
