"""Sessions that nobody may hold any more: who is ended, who is left alone, and what is said of it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.machine import paths, units
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import relay, sessions
from provisioner_host.state import last_good
from tests.hostile import CENTRE, VIEWER

CENTRE_USER = {"user": "centre-hn", "pass": "sha256:old", "ips": ["10.90.0.1"], "permissions": [{"action": "read"}]}
OTHER = {"user": "centre-bg", "pass": "sha256:other", "ips": ["10.90.0.2"], "permissions": [{"action": "read"}]}


def file_with(*users: dict[str, Any]) -> str:
    return f"authInternalUsers: {json.dumps(users)}\npaths:\n"


def session(number: int, user: str = "centre-hn", address: str = "10.90.0.1", state: str = "read") -> dict[str, Any]:
    place = f"{address}:{40000 + number}"
    return {"id": f"{number:08d}-0000-4000-8000-000000000000", "user": user, "remoteAddr": place, "state": state}


@dataclass
class Engine:
    """MediaMTX's Control API, as far as sessions go."""

    open: dict[str, dict[str, Any]] = field(default_factory=dict)
    deaf: bool = False
    looks: int = 0
    at_look: Callable[[int], None] = lambda _number: None

    def api(self, path: str, timeout_s: float = 5, *, method: str = "GET") -> Any:
        assert timeout_s
        if path.startswith("/v3/rtspss"):
            raise relay.NoSuchPage("the relay's Control API: 404")
        if method == "POST":
            if not self.deaf:
                self.open.pop(path.rpartition("/")[2], None)
            return {"status": "ok"}
        self.looks += 1
        self.at_look(self.looks)
        return {"items": list(self.open.values())}

    def let_in(self, *those: dict[str, Any]) -> None:
        self.open |= {one["id"]: one for one in those}

    @property
    def users(self) -> list[str]:
        return [one["user"] for one in self.open.values()]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(relay, "api", engine.api)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return engine


@VIEWER
@pytest.mark.parametrize("state", ["read", "publish", "idle"])
def test_a_session_of_a_replaced_secret_ends_in_whatever_state_it_is(engine: Engine, state: str) -> None:
    engine.let_in(session(1, state=state), session(2, "centre-bg", "10.90.0.2"))
    notes = sessions.end_revoked(file_with(CENTRE_USER, OTHER), file_with(CENTRE_USER | {"pass": "sha256:new"}, OTHER))
    assert engine.users == ["centre-bg"]
    assert notes == ["ended 1 session of centre-hn, whose secret or rights were replaced"]


@CENTRE
def test_a_session_of_a_removed_user_ends(engine: Engine) -> None:
    engine.let_in(session(1), session(2), session(3, "centre-bg", "10.90.0.2"))
    notes = sessions.end_revoked(file_with(CENTRE_USER, OTHER), file_with(OTHER))
    assert engine.users == ["centre-bg"]
    assert notes == ["ended 2 sessions of centre-hn, who may not read any more"]


@CENTRE
@pytest.mark.parametrize("networks", [["10.90.0.9"], ["10.90.0.8/29"]])
def test_a_session_from_an_address_that_is_permitted_no_more_ends(engine: Engine, networks: list[str]) -> None:
    engine.let_in(session(1), session(2, address="10.90.0.9"))
    notes = sessions.end_revoked(file_with(CENTRE_USER), file_with(CENTRE_USER | {"ips": networks}))
    assert [one["remoteAddr"] for one in engine.open.values()] == ["10.90.0.9:40002"]
    assert notes == ["ended 1 session of centre-hn, who may not come from 10.90.0.1"]


@VIEWER
def test_a_right_that_is_narrowed_ends_the_sessions_that_had_the_wider_one(engine: Engine) -> None:
    engine.let_in(session(1))
    narrow = CENTRE_USER | {"permissions": [{"action": "read", "path": "~^bac-giang/"}]}
    sessions.end_revoked(file_with(CENTRE_USER), file_with(narrow))
    assert engine.open == {}


@VIEWER
@pytest.mark.parametrize("typed", ["", "\x1b[31mcentre-hn", "x" * 5000])
def test_who_came_as_anybody_ends_with_that_user_and_is_not_quoted(engine: Engine, typed: str) -> None:
    engine.let_in(session(1, typed))
    anybody = {"user": "any", "pass": "", "ips": [], "permissions": [{"action": "read"}]}
    (note,) = sessions.end_revoked(file_with(anybody, OTHER), file_with(OTHER))
    assert engine.open == {}
    assert note == "ended 1 session of somebody unknown, who may not read any more"


@VIEWER
def test_users_in_a_form_that_is_not_ours_let_nobody_stay(engine: Engine) -> None:
    engine.let_in(session(1), session(2, "centre-bg", "10.90.0.2"))
    sessions.end_revoked("authInternalUsers:\n- user: any\n", file_with(CENTRE_USER, OTHER))
    assert engine.open == {}


@VIEWER
def test_who_was_being_let_in_at_the_last_moment_ends_at_the_next_look(engine: Engine) -> None:
    """A session that the list shows before MediaMTX has written down whose it is."""
    engine.let_in(session(1, user="", state="idle"))

    def named(look: int) -> None:
        if look == 2:
            engine.let_in(session(1))

    engine.at_look = named
    sessions.end_revoked(file_with(CENTRE_USER), file_with(CENTRE_USER | {"pass": "sha256:new"}))
    assert engine.open == {}


def test_who_comes_with_the_new_secret_meanwhile_stays(engine: Engine) -> None:
    engine.let_in(session(1))
    engine.at_look = lambda look: engine.let_in(session(2)) if look == 2 else None
    sessions.end_revoked(file_with(CENTRE_USER), file_with(CENTRE_USER | {"pass": "sha256:new"}))
    assert [one["remoteAddr"] for one in engine.open.values()] == ["10.90.0.1:40002"]


@VIEWER
def test_a_session_that_cannot_be_ended_is_a_failed_change(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.let_in(session(1))
    engine.deaf = True
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with pytest.raises(Failed, match=r"1 session goes on: of centre-hn, whose secret"):
        sessions.end_revoked(file_with(CENTRE_USER), file_with(CENTRE_USER | {"pass": "sha256:new"}))


def test_the_same_users_end_nobody_and_ask_once(engine: Engine) -> None:
    engine.let_in(session(1), session(2, "centre-bg", "10.90.0.2"), session(3, user="", state="idle"))
    assert sessions.end_revoked(file_with(CENTRE_USER, OTHER), file_with(OTHER, CENTRE_USER)) == []
    assert (len(engine.open), engine.looks) == (3, 2)


@VIEWER
def test_an_id_that_is_none_asks_for_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def api(path: str, timeout_s: float = 5, *, method: str = "GET") -> Any:
        asked.append((path, method))
        return engine.api(path, timeout_s, method=method)

    monkeypatch.setattr(relay, "api", api)
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    engine.let_in(session(1) | {"id": "x HTTP/1.0\r\nX: y"})
    with pytest.raises(Failed):
        sessions.end_revoked(file_with(CENTRE_USER), file_with())
    assert {method for _, method in asked} == {"GET"}


def test_readers_are_counted_by_name_address_and_path(engine: Engine) -> None:
    engine.let_in(*(session(n) | {"path": "a/b/c/sub"} for n in (1, 2)), session(3, state="idle"))
    expected = {"user": "centre-hn", "address": "10.90.0.1", "path": "a/b/c/sub", "readers": 2}
    assert sessions.readers() == [expected]


@VIEWER
@pytest.mark.parametrize("deaf", [False, True])
def test_a_return_to_last_good_puts_out_whom_the_change_let_in_and_restarts_where_it_cannot(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, deaf: bool
) -> None:
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(units, "states", lambda names: {name: {"active": "active"} for name in names})
    monkeypatch.setattr(units, "systemctl", lambda *words, **_: told.append(words))
    monkeypatch.setattr(last_good, "_await_sentinel", lambda **_: None)
    monkeypatch.setattr(relay, "read_file", lambda: file_with(OTHER))
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    engine.deaf = deaf
    engine.let_in(session(1), session(2, "centre-bg", "10.90.0.2"))
    last_good._end_sessions(file_with(CENTRE_USER, OTHER))  # noqa: SLF001
    assert told == ([("restart", paths.UNIT_MEDIAMTX)] if deaf else [])
    assert engine.users == (["centre-hn", "centre-bg"] if deaf else ["centre-bg"])


ROW = "   {n}: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000"


def test_open_ssh_from_outside_the_networks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ("0100007F:0016", "0100007F:9C40", "01"),  # loopback
        ("0A0010AC:0016", "076433C6:9C40", "01"),  # 198.51.100.7
        ("0A0010AC:0016", "050200C0:9C40", "01"),  # 192.0.2.5
        ("0A0010AC:0016", "097100CB:9C40", "06"),  # 203.0.113.9, gone already
        ("0A0010AC:217A", "097100CB:9C40", "01"),  # another port
    ]
    table, table6 = tmp_path / "tcp", tmp_path / "tcp6"
    lines = [ROW.format(n=n, local=one, remote=other, state=state) for n, (one, other, state) in enumerate(rows)]
    table.write_text("\n".join(["  sl  local_address", *lines]))
    mapped = "0000000000000000FFFF0000"
    table6.write_text(
        f"head\n{ROW.format(n=0, local=mapped + '0A0010AC:0016', remote=mapped + '086433C6:1', state='01')}"
    )
    monkeypatch.setattr(sessions, "_TCP", (table, table6))
    assert sessions.ssh_from_outside(22, ["192.0.2.0/24"]) == ["198.51.100.7", "198.51.100.8"]
