"""Settings and keys under change: a path is up by either, it is said by which, and what is neither is as ever."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from provisioner.base.secret import Secret, keyed_digest
from provisioner.desired.render.quote import source_head, source_url
from provisioner.desired.spec import DesiredState, FormerPicture, LoginChange, MediaPath, Peer
from provisioner.inventory.model.devices import Codec, Stream
from provisioner.report.verify_html import html_page, verify_comment
from provisioner.report.verify_text import text_report
from provisioner.verify.document import verify_document
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.judge import judge
from provisioner.verify.paths import PathToCheck, select, with_logins_in_use
from provisioner.verify.result import AcceptedSetting, Cause, InUse, PathVerdict, Verdict, VerifyResult
from provisioner.verify.rotation import content_of

from .world import CENTRE, FINISHED, PATHS, RELAY, STARTED, answers, documents, packets, picture, state

UNTIL = date(2021, 6, 20)
PATH = "bac-giang/kcl-002/cam-01/sub"
OWN = "kcl-002/cam-01"
OLD_STREAM = Stream(codec=Codec.H265, width=352, height=288)
FORMER = FormerPicture(UNTIL, OLD_STREAM)
SLOWER = FormerPicture(UNTIL, OLD_STREAM.model_copy(update={"fps": 5}))
OLD_FRAME = {"codec": "hevc", "width": 352, "height": 288, "seconds": 1.2}


def targets(**changes: Any) -> tuple[PathToCheck, ...]:
    """The paths of the world, one of them under change."""

    def changed(path: MediaPath) -> MediaPath:
        return path._replace(**changes) if path.name == PATH else path

    def of(target: PathToCheck) -> PathToCheck:
        assert target.relay.relay
        relay = replace(target.relay.relay, paths=tuple(map(changed, target.relay.relay.paths)))
        return replace(target, relay=replace(target.relay, relay=relay), path=changed(target.path))

    return tuple(map(of, select(state())))


def verdicts(wanted: tuple[PathToCheck, ...], hosts: Mapping[str, dict[str, Any]]) -> dict[str, PathVerdict]:
    evidence = {host: parse_evidence(answer) for host, answer in answers(hosts).items()}
    pulled = with_logins_in_use(wanted, {e.host: e.facts for e in evidence.values() if e.facts is not None})
    drift: dict[str, tuple[()]] = dict.fromkeys(evidence, ())
    return {one.path: one for one in judge(pulled, evidence, drift, FINISHED)}


def shown(hosts: dict[str, dict[str, Any]], frame: dict[str, Any], **measured: Any) -> dict[str, dict[str, Any]]:
    """Hosts that see another picture of the path; measured ones are of a look at the relay."""
    look = {"picture": picture(**measured)} if measured else {}
    hosts[RELAY]["relay"]["paths"][PATH]["read"] = frame | look
    hosts[CENTRE]["centre"]["relays"][RELAY][PATH] = frame
    return hosts


NEW_FRAME = {"codec": "h264", "width": 640, "height": 360, "seconds": 1.2}


@pytest.mark.parametrize(("frame", "seen"), [(OLD_FRAME, "old"), (NEW_FRAME, "new")])
def test_a_path_is_up_by_either_picture_and_tells_which(frame: dict[str, Any], seen: InUse) -> None:
    one = verdicts(targets(former=FORMER), shown(documents(), frame))[PATH]
    assert one.verdict is Verdict.UP
    assert one.settings == (AcceptedSetting("picture", OWN, UNTIL, seen),)


def test_a_picture_that_is_neither_differs_from_both() -> None:
    frame = OLD_FRAME | {"width": 640}
    one = verdicts(targets(former=FORMER), shown(documents(), frame))[PATH]
    assert (one.verdict, one.cause.value) == (Verdict.DEGRADED, "picture differs")
    assert one.detail == "h265 640x288 instead of h264 640x360, or h265 352x288 as before"
    assert one.settings == (AcceptedSetting("picture", OWN, UNTIL, None),)


def test_without_a_change_the_former_picture_differs() -> None:
    one = verdicts(targets(), shown(documents(), OLD_FRAME))[PATH]
    assert (one.verdict, one.settings) == (Verdict.DEGRADED, ())


SLOW = {"packets": packets(count=16, step_s=0.2), "frames": 16, "owed": 16}


@pytest.mark.parametrize(
    ("path", "frame", "verdict"),
    [
        ({"fps": 15, "former": SLOWER}, OLD_FRAME, Verdict.UP),
        ({"fps": 15, "former": SLOWER}, NEW_FRAME, Verdict.DEGRADED),
        # Of the same picture at another rate nobody sees which it is to be.
        ({"fps": 15, "former": FormerPicture(UNTIL, Stream(width=640, height=360, fps=5))}, NEW_FRAME, Verdict.UP),
        ({"fps": 15}, NEW_FRAME, Verdict.DEGRADED),
    ],
)
def test_the_rate_that_was_agreed_of_the_picture_that_came_counts(
    path: dict[str, Any], frame: dict[str, Any], verdict: Verdict
) -> None:
    assert verdicts(targets(**path), shown(documents(), frame, **SLOW))[PATH].verdict is verdict


# --- logins ---------------------------------------------------------------------------------------
def login_change() -> LoginChange:
    [path] = [path for path in PATHS if path.name == PATH]
    return LoginChange(UNTIL, path.pulled._replace(password=Secret("the-new-one")))


def with_file(hosts: dict[str, dict[str, Any]], *, new: bool) -> dict[str, dict[str, Any]]:
    """Hosts whose relay has the path by one of its logins."""
    [target] = [target for target in select(state()) if target.path.name == PATH]
    source = login_change().new if new else target.path.pulled
    digest = keyed_digest(target.relay.digest_key, source_url(source).encode())
    path = {"settings": {}, "digest": digest, "source_digest": digest}
    hosts[RELAY]["facts"]["relay"] = {"settings": {}, "paths": {PATH: path}, "sentinel": None, "foreign": 0}
    return hosts


@pytest.mark.parametrize(("new", "seen"), [(False, "old"), (True, "new")])
def test_a_path_is_up_by_the_login_that_its_relay_has(*, new: bool, seen: InUse) -> None:
    one = verdicts(targets(login_change=login_change()), with_file(documents(), new=new))[PATH]
    assert one.verdict is Verdict.UP
    assert one.settings == (AcceptedSetting("login", OWN, UNTIL, seen),)


def test_an_old_login_that_is_refused_is_quarantined_with_what_to_do() -> None:
    hosts = with_file(documents(), new=False)
    [target] = [target for target in select(state()) if target.path.name == PATH]
    login = source_head(target.path.pulled).partition("://")[2]
    refused = keyed_digest(target.relay.digest_key, login.encode())
    entry = {"since": "2021-05-09T03:00:00Z", "device": "100.64.0.5:10554", "login": refused}
    hosts[RELAY]["facts"]["quarantine"] = {PATH: entry}
    silent = {"available": False, "online": True, "inbound_bytes": 0}
    hosts[RELAY]["relay"]["paths"][PATH] = {"samples": [silent, silent], "read": {"error": "404", "status": 404}}
    hosts[CENTRE]["centre"]["relays"][RELAY][PATH] = {"error": "404", "status": 404}
    one = verdicts(targets(login_change=login_change()), hosts)[PATH]
    assert (one.verdict, one.cause.value) == (Verdict.QUARANTINED, "wrong password")
    assert one.detail.endswith("its login is under change until 2021-06-20: provisioner apply tries the new one")
    assert one.settings == (AcceptedSetting("login", OWN, UNTIL, None),)
    before = verdicts(targets(), hosts)[PATH]
    assert (before.cause.value, before.detail) == (
        "wrong password",
        "quarantined since 2021-05-09 10:00:00 +07:00: 100.64.0.5:10554 refuses its password",
    )


def test_what_a_change_is_about_is_no_other_path_to_prove() -> None:
    """A full look and references hang on what a path is to be, and not on what it was."""
    changed = targets(former=FORMER, login_change=login_change())
    assert [content_of(one) for one in changed] == [content_of(one) for one in select(state())]


# --- reports --------------------------------------------------------------------------------------
def result_of(*settings: AcceptedSetting) -> VerifyResult:
    path = verdicts(targets(), documents())[PATH]
    paths = tuple(replace(path, path=f"{PATH}-{n}", settings=(one,)) for n, one in enumerate(settings))
    return VerifyResult("mediamtx 1.20.1", STARTED, FINISHED, paths, ())


def test_a_report_says_of_each_setting_which_it_is_and_what_comes_next() -> None:
    picture_seen = AcceptedSetting("picture", OWN, UNTIL, "old")
    states: tuple[InUse, ...] = ("new", None, "old")
    logins = [AcceptedSetting("login", f"kcl-00{n}/nvr-1", UNTIL, seen) for n, seen in enumerate(states, 1)]
    text = text_report(result_of(picture_seen, *logins, replace(logins[2], seen="new")))
    assert (
        """settings under change: 4
  login of kcl-001/nvr-1: the new one; finish the change: provisioner camera accept kcl-001/nvr-1 --finish
  picture of kcl-002/cam-01: the old one, which is taken until 2021-06-20
  login of kcl-002/nvr-1: no picture tells which; either is taken until 2021-06-20
  login of kcl-003/nvr-1: the old one on some paths, the new one on others; either is taken until 2021-06-20
"""
        in text
    )
    assert "under change" not in text_report(result_of())


def test_the_page_and_the_comment_list_settings_too() -> None:
    logins = [AcceptedSetting("login", f"kcl-{n:03}/nvr-1", UNTIL, "new") for n in range(25)]
    page, comment = html_page(result_of(*logins)), verify_comment(result_of(*logins))
    assert "Settings under change (25)" in page
    for shown in (page, comment):
        assert (
            "login of kcl-007/nvr-1: the new one; finish the change: provisioner camera accept kcl-007/nvr-1" in shown
        )
    assert "login of kcl-024/nvr-1" in page
    assert "and 5 more" in comment
    assert "nder change" not in html_page(result_of()) + verify_comment(result_of())


def test_the_document_has_it_where_there_is_a_change() -> None:
    document = verify_document(
        result_of(AcceptedSetting("login", OWN, UNTIL, "new"), AcceptedSetting("login", OWN, UNTIL, None))
    ).plain
    assert [path["accept"] for path in document["paths"]] == [
        [{"setting": "login", "object": OWN, "until": "2021-06-20", "seen": "new"}],
        [{"setting": "login", "object": OWN, "until": "2021-06-20", "seen": None}],
    ]


SITE = "kcl-002"
PRESENT, FOLLOWING = f"key of site/{SITE}", f"key of next/{SITE}"


def verdict(present: dict[str, Any], following: dict[str, Any] | None) -> PathVerdict:
    """The verdict on the site's path where its two peers are as given, beside what is well."""
    hosts = dict(state().hosts)
    tunnel = hosts[RELAY].tunnel
    peers = (*tunnel.peers, Peer(f"next/{SITE}", FOLLOWING, Secret("psk"), ()))
    hosts[RELAY] = replace(hosts[RELAY], tunnel=replace(tunnel, peers=peers))
    document = documents()[RELAY]
    live = document["relay"]["tunnel"]["peers"]
    well = live[PRESENT]
    live[PRESENT] = well | present
    if following is not None:
        live[FOLLOWING] = well | following
    given = {host: parse_evidence(answer) for host, answer in answers({RELAY: document}).items()}
    verdicts = judge(select(DesiredState(hosts)), given, dict.fromkeys(given, ()), FINISHED)
    (one,) = [one for one in verdicts if one.facility == SITE]
    return one


DARK = {"handshake_age_s": 4000.0, "received_bytes": [100, 100], "sent_bytes": [10, 20]}
NEVER = {"handshake_age_s": None, "allowed_ips": [], "received_bytes": [0, 0], "sent_bytes": [0, 0]}


@pytest.mark.parametrize(
    ("present", "following"), [({}, NEVER), ({}, None), (DARK | {"allowed_ips": []}, {}), ({"allowed_ips": []}, {})]
)
def test_it_is_up_by_the_key_that_has_the_address(present: dict[str, Any], following: dict[str, Any] | None) -> None:
    assert verdict(present, following).verdict is Verdict.UP


def test_where_neither_has_the_address_it_is_not_up_for_that() -> None:
    one = verdict({"allowed_ips": []}, NEVER)
    assert (one.verdict, one.cause, 2 in one.passed) == (Verdict.DEGRADED, Cause.TUNNEL_DOWN, False)
    assert "tunnel lacks 100.64.0.5 of the site" in one.detail
