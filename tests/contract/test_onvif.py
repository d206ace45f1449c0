"""The on-host part that asks devices about themselves, against a device as ONVIF's published services have it."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest

from provisioner_host.machine import paths, sandbox
from provisioner_host.onvif import onvif
from provisioner_host.onvif.ask import LONGEST_S
from provisioner_host.relay import relay
from provisioner_host.wire import AccountAnswer, DeviceToAsk
from tests.hostile import CAMERA

from .onvif_device import PASSWORD, USER, Login, OnvifDevice, Trouble
from .relay import LATE

KEY = "key-of-digests"
NAME = "kcl-bg-001/cam-01"
PATH = "bac-giang/kcl-bg-001/cam-01/sub"
Ask = Callable[..., AccountAnswer]
AskAll = Callable[[list[OnvifDevice]], list[AccountAnswer]]


def quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.fixture
def unconfined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The confined part is an ordinary process, and folders of a host are a test's."""
    plainly: Callable[..., list[str]] = lambda argv, *_: list(argv)  # noqa: E731
    monkeypatch.setattr(sandbox, "confined", plainly)
    monkeypatch.setattr(sandbox, "refusal", str)
    monkeypatch.setattr(paths, "ONVIF_REFUSED", tmp_path / "onvif-refused")
    monkeypatch.setattr(paths, "LOGIN_TRIES", tmp_path / "login-tries")
    return monkeypatch


@pytest.fixture
def ask(unconfined: pytest.MonkeyPatch) -> Ask:
    """Asks one device as root would."""

    def ask_device(
        device: OnvifDevice,
        *,
        password: str = PASSWORD,
        flows: bool = True,
        again: bool = False,
        profile: str = "sub",
        seconds: float = 30 + LATE,
    ) -> AccountAnswer:
        source = f"rtsp://{quoted(USER)}:{quoted(password)}@127.0.0.1:10554/stream"
        items = [{"name": PATH, "available": flows}]
        unconfined.setattr(relay, "api", lambda *_: {"items": items})
        unconfined.setattr(relay, "sources", lambda names: dict.fromkeys(names, source))
        wanted: DeviceToAsk = {
            "name": NAME,
            "address": "127.0.0.1",
            "port": device.port,
            "paths": [PATH],
            "profile": profile,
            "again": again,
        }
        return onvif.query_devices([wanted], KEY, time.monotonic() + seconds)[NAME]

    return ask_device


@pytest.fixture
def ask_all(unconfined: pytest.MonkeyPatch) -> AskAll:
    """Asks several devices at once, as one relay does; the login is that of all."""

    def ask_devices(devices: list[OnvifDevice]) -> list[AccountAnswer]:
        names = [f"kcl-bg-001/cam-{number:02}" for number in range(len(devices))]
        source = f"rtsp://{quoted(USER)}:{quoted(PASSWORD)}@127.0.0.1:10554/stream"
        unconfined.setattr(relay, "api", lambda *_: {"items": [{"name": name, "available": True} for name in names]})
        unconfined.setattr(relay, "sources", lambda named: dict.fromkeys(named, source))
        wanted: list[DeviceToAsk] = [
            {"name": name, "address": "127.0.0.1", "port": device.port, "paths": [name], "profile": ""}
            for name, device in zip(names, devices, strict=True)
        ]
        answers = onvif.query_devices(wanted, KEY, time.monotonic() + 30 + LATE)
        return [answers[name] for name in names]

    return ask_devices


@pytest.mark.parametrize("login", list(Login))
@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
def test_a_device_tells_who_it_is_by_each_way_of_proof(ask: Ask, login: Login, *, chunked: bool) -> None:
    with OnvifDevice(login=login, chunked=chunked) as device:
        account = ask(device)
    assert account["outcome"] == "told", account
    assert (account["model"], account["serial"], account["firmware"]) == ("EX-CAM 4", "EXAMPLE0001", "V5.7")
    assert account["profile"] == {"there": True, "width": 640, "height": 360, "names": ["main", "sub"]}
    assert device.refused == 0
    assert any(has_login for _, has_login in device.asked) == (login is not Login.NONE)


@pytest.mark.parametrize("ahead_s", [0, 7200, -86_400 * 365])
def test_a_login_is_made_for_the_devices_own_clock_and_the_clock_is_told(ask: Ask, ahead_s: int) -> None:
    with OnvifDevice(ahead_s=ahead_s) as device:
        account = ask(device)
    assert account["outcome"] == "told"
    clock = account["clock"]
    assert clock["utc"] is not None
    assert clock["shown"] is not None
    assert clock["before"] - 2 <= clock["utc"] - ahead_s <= clock["after"] + 1
    assert clock["shown"] - clock["utc"] == 7 * 3600


@CAMERA
@pytest.mark.parametrize("login", [Login.TOKEN, Login.DIGEST])
def test_a_login_that_is_refused_is_tried_once_and_never_again_until_it_is_another_one(ask: Ask, login: Login) -> None:
    with OnvifDevice(login=login) as device:
        outcomes = [ask(device, password="another one")["outcome"] for _ in range(3)]
        assert outcomes == ["login refused", "login refused before", "login refused before"]
        assert device.refused == 1
        assert ask(device)["outcome"] == "told"
        assert device.refused == 1


@CAMERA
@pytest.mark.parametrize("login", [Login.TOKEN, Login.DIGEST])
def test_a_403_is_no_refused_login(ask: Ask, login: Login) -> None:
    with OnvifDevice(login=login, forbids=True) as device:
        accounts = [ask(device) for _ in range(2)]
    words = "HTTP 403: its user may not ask that; see the user's rights"
    assert [(account["outcome"], account["detail"]) for account in accounts] == [("wrong answer", words)] * 2
    assert not paths.LOGIN_TRIES.exists()


def an_hour_later() -> None:
    for kept in paths.LOGIN_TRIES.iterdir():
        os.utime(kept, (time.time() - onvif.FOR_S, time.time() - onvif.FOR_S))


@CAMERA
def test_a_login_that_was_refused_is_tried_once_more_where_somebody_says_so_and_not_within_the_hour(ask: Ask) -> None:
    with OnvifDevice(user="somebody else") as device:
        assert ask(device)["outcome"] == "login refused"
        assert ask(device, again=True) | {"clock": None} == {
            "outcome": "login refused before",
            "detail": onvif.LATELY,
            "clock": None,
        }
        assert device.refused == 1
        an_hour_later()
        assert "detail" not in ask(device)
        assert ask(device, again=True)["outcome"] == "login refused"
        assert ask(device)["outcome"] == "login refused before"
        assert device.refused == 2
        device.user = USER
        an_hour_later()
        assert ask(device, again=True)["outcome"] == "told"
        assert ask(device)["outcome"] == "told"


@CAMERA
@pytest.mark.parametrize("login", [Login.TOKEN, Login.DIGEST])
def test_a_login_that_may_have_been_taken_is_not_tried_again_within_the_hour(ask: Ask, login: Login) -> None:
    with OnvifDevice(login=login, holds_s=20, password="another one") as device:
        assert ask(device, seconds=2 + LATE)["outcome"] == "silent"
        assert ask(device)["outcome"] == "login refused before"
        assert [name for name, has_login in device.asked if has_login] == ["GetDeviceInformation"]
        # Nobody said that it is refused: it is tried as ever, after that.
        device.holds_s, device.password = 0, PASSWORD
        an_hour_later()
        assert ask(device)["outcome"] == "told"


@CAMERA
@pytest.mark.parametrize("login", [Login.TOKEN, Login.DIGEST])
def test_a_login_that_is_refused_for_media_profiles_alone_is_tried_for_them_once(ask: Ask, login: Login) -> None:
    with OnvifDevice(login=login, only_identity=True) as device:
        accounts = [ask(device) for _ in range(3)]
        assert [(one["outcome"], one["serial"]) for one in accounts] == [("told", "EXAMPLE0001")] * 3
        assert {one["detail"] for one in accounts} == {onvif.PROFILES_REFUSED}
        assert device.refused == 1
        device.only_identity = False
        assert "profile" not in ask(device)
        assert ask(device, again=True)["profile"]["there"]
        assert ask(device)["profile"]["there"]


@CAMERA
def test_no_other_host_is_asked_whatever_a_device_says_of_where_it_is(ask: Ask) -> None:
    with OnvifDevice() as other:
        place = f"http://127.0.0.1:{other.port}/onvif/device_service"
        with OnvifDevice(trouble=Trouble.REDIRECT, elsewhere=place) as device:
            assert ask(device)["outcome"] == "wrong answer"
        with OnvifDevice(media_place=place) as device:
            assert ask(device)["outcome"] == "told"
        assert other.asked == []


@CAMERA
@pytest.mark.parametrize("trouble", [Trouble.NAMES, Trouble.BOMB, Trouble.ENDLESS, Trouble.CHUNKS])
def test_what_one_device_sends_takes_no_answer_from_another(ask_all: AskAll, trouble: Trouble) -> None:
    with contextlib.ExitStack() as stack:
        bad = [stack.enter_context(OnvifDevice(trouble=trouble)) for _ in range(12)]
        good = stack.enter_context(OnvifDevice())
        accounts = ask_all([*bad, good])
    assert [one["outcome"] for one in accounts] == ["wrong answer"] * 12 + ["told"]


@CAMERA
def test_a_device_that_says_its_own_password_is_not_repeated(ask: Ask) -> None:
    own = escape(PASSWORD)
    with OnvifDevice(model=f"EX {own}", serial=own, profiles=(("p", own, 1, 1),)) as device:
        account = ask(device)
    assert account["outcome"] == "told"
    assert (account["model"], account["serial"], account["firmware"]) == ("", "", "V5.7")
    assert PASSWORD not in repr(account)


@CAMERA
def test_nobody_is_asked_of_whom_no_picture_comes(ask: Ask) -> None:
    with OnvifDevice() as device:
        assert ask(device, flows=False) == {"outcome": "not asked"}
        assert device.asked == []


@CAMERA
def test_of_what_is_remembered_of_a_refusal_nothing_can_be_read(ask: Ask) -> None:
    with OnvifDevice() as device:
        ask(device, password="c4nary-of-a-login")
    kept = list(paths.ONVIF_REFUSED.iterdir())
    assert [entry.read_bytes() for entry in kept] == [b""]
    assert "c4nary" not in repr(kept)
    assert USER not in kept[0].name


def test_a_profile_that_is_not_there_is_told_with_those_that_are(ask: Ask) -> None:
    with OnvifDevice() as device:
        assert ask(device, profile="third")["profile"] == {
            "there": False,
            "width": 0,
            "height": 0,
            "names": ["main", "sub"],
        }
        assert ask(device, profile="prof_1")["profile"]["width"] == 1920
        assert "profile" not in ask(device, profile="")


_SILENT = {Trouble.HANGS, Trouble.SLOW, Trouble.SHUTS}


@CAMERA
@pytest.mark.parametrize("trouble", sorted(set(Trouble) - _SILENT))
def test_a_device_that_answers_something_else_is_told_as_such(ask: Ask, trouble: Trouble) -> None:
    with OnvifDevice(trouble=trouble) as device:
        account = ask(device)
    assert account["outcome"] == "wrong answer"
    assert device.refused == 0


@CAMERA
@pytest.mark.parametrize("trouble", sorted(_SILENT))
def test_a_silent_device_holds_nobody_up(ask: Ask, trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onvif, "_GRACE_S", 0.5)
    begun = time.monotonic()
    with OnvifDevice(trouble=trouble) as device:
        account = ask(device, seconds=3)
    assert account["outcome"] in {"silent", "not run"}
    assert device.refused == 0
    assert time.monotonic() - begun < 8 + LATE


@CAMERA
def test_what_a_device_says_of_itself_is_one_printable_line(ask: Ask) -> None:
    with OnvifDevice(model="A\tB&#x202e;\n" + "x" * 500, serial="&lt;script&gt;") as device:
        account = ask(device)
    assert account["model"].isprintable()
    assert len(account["model"]) <= 100
    assert account["serial"] == "<script>"


@pytest.mark.parametrize("program", ["/no/such/program", "/usr/bin/false", "/bin/cat"])
def test_where_the_part_that_asks_cannot_be_run_nobody_is_asked_and_nothing_else_suffers(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(onvif, "command", lambda *_: [program])
    monkeypatch.setattr(onvif, "_GRACE_S", 0.5)
    with OnvifDevice() as device:
        assert ask(device, seconds=2)["outcome"] == "not run"
        assert device.asked == []


@CAMERA
def test_a_complaint_of_the_part_that_asks_holds_no_login(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; sys.exit(sys.stdin.read()[-400:])"
    monkeypatch.setattr(onvif, "command", lambda *_: [sys.executable, "-c", program])
    with OnvifDevice() as device:
        account = ask(device, password="c4nary-of-a-login")
    assert account == {"outcome": "not run", "detail": "the part that asks could not be run"}


def test_nobody_listening_is_silent_and_says_how(ask: Ask) -> None:
    with OnvifDevice() as device:
        port = device.port
    gone: Any = type("Gone", (), {"port": port})()
    assert ask(gone) == {"outcome": "silent", "detail": "its port refuses the connection"}


def test_no_login_is_in_the_command_and_each_place_is_allowed() -> None:
    command = onvif.command([f"10.91.{n // 250}.{n % 250}" for n in range(1200)], time.monotonic() + 5)
    allowed = [word for word in command if word.startswith("--property=IPAddressAllow=")]
    assert sum(len(word.split()) for word in allowed) == 1200
    assert max(map(len, command)) < 100_000
    assert "--property=IPAddressDeny=any" in command
    assert "--property=User=provisioner-probe" in command


def test_a_request_has_a_time_of_its_own() -> None:
    assert LONGEST_S < 30
