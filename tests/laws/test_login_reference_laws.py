"""A login that a device wants in its path: by reference in the inventory, quoted on the relay, shown nowhere."""

import json
import sys
from ipaddress import IPv4Address
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.private_text import SHOWN_KEYS, address_without_login, path_as_read, path_holds_login
from provisioner.base.secret import Secret
from provisioner.desired.render.quote import flow, source_url
from provisioner.desired.spec import StreamSource
from provisioner.inventory.makes import MAKES, rtsp_path
from provisioner.inventory.model.devices import StreamName
from provisioner_host.machine import shell, stream_logins
from provisioner_host.relay import relay, source_log
from tests.hostile import CAMERA, VIEWER

FORMS = (
    "/user={username}&password={password}&channel=1&stream=0.sdp",
    "/user={username}_password={password}_channel=1_stream=0.sdp",
    "/live/{username}/{password}/ch1",
    "/ch1?pwd={password}",
    "/{password}",
)
words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=4, max_size=30)
passwords = words | st.sampled_from(
    ["{username}", "{password}", "%7Bpassword%7D", "a%b&c=d/e?f#g", '"quoted"', "$G1$G2"]
)


def source(path: str, username: str, password: str) -> StreamSource:
    return StreamSource(IPv4Address("10.91.0.2"), 10554, path, username, Secret(password))


@given(path=st.sampled_from(FORMS), username=passwords, password=passwords)
def test_a_reference_is_the_login_quoted_and_nothing_else(path: str, username: str, password: str) -> None:
    url = source_url(source(path, username, password))
    assert url.isascii()
    assert not set(url) & set("{}$#\"' <>")
    tail = url.partition("://")[2].partition("/")[2]
    parts = path.removeprefix("/").replace("{username}", "\0u").replace("{password}", "\0p").split("\0")
    wanted = parts[0] + "".join({"u": username, "p": password}[part[0]] + part[1:] for part in parts[1:])
    assert unquote(tail) == wanted
    assert json.loads(flow(url)) == url


@VIEWER
@given(path=st.sampled_from(FORMS), username=words, password=passwords)
def test_what_a_host_answers_of_a_source_holds_no_login_in_its_path(path: str, username: str, password: str) -> None:
    url = source_url(source(path, username, password))
    answer = relay.describe(f'paths:\n  "a/b/c/sub": {flow({"source": url, "rtspTransport": "tcp"})}\n', "key")
    shown = str(answer["paths"]["a/b/c/sub"]["settings"]["source"])
    assert shown == "rtsp://10.91.0.2:10554/***"
    assert address_without_login(url) == shown


@VIEWER
@given(path=st.from_regex(r"/[a-z0-9/=?&%.:@_-]{0,40}", fullmatch=True), password=words)
def test_both_sides_leave_out_the_same(path: str, password: str) -> None:
    url = source_url(source(path, "viewer", password))
    assert address_without_login(url) == stream_logins.without_login(url)
    shown = path_as_read(stream_logins.without_login(url))
    assert path_as_read(password) not in shown or shown in {"rtsp://10.91.0.2:10554/***", "rtsp://10.91.0.2:10554"}


@VIEWER
@given(
    key=st.from_regex(r"[a-z0-9_%]{1,12}", fullmatch=True).filter(lambda key: key not in SHOWN_KEYS),
    secret=st.from_regex(r"[A-Za-z0-9.%_-]{4,20}", fullmatch=True),
    before=st.sampled_from(["live?", "live?channel=1&", "live/", "live;", "a?b?", "live?channel=1?"]),
)
def test_a_value_is_shown_for_keys_of_makes_alone(key: str, secret: str, before: str) -> None:
    url = f"rtsp://10.91.0.2:554/{before}{key}=Zq9{secret}"
    for shown in (address_without_login(url), stream_logins.without_login(url)):
        assert "Zq9" not in shown
    assert "Zq9" not in stream_logins.scrubbed(f"cannot reach {url}")


@pytest.mark.parametrize(
    ("path", "is_login"),
    [("/live?u=admin&p=x1", True), ("/live;n=a;p=b", True), ("/live?p=1080", False), ("/live?u=1&p=", False)],
)
def test_short_keys_of_user_and_password_are_a_login_together(path: str, *, is_login: bool) -> None:
    assert path_holds_login(path) is is_login


def test_the_paths_of_makes_are_shown_and_no_other_key() -> None:
    keys = set()
    for make in MAKES:
        for name in StreamName:
            path = rtsp_path(make, 12, name)
            keys |= {pair.partition("=")[0] for pair in path.partition("?")[2].split("&") if pair}
            assert address_without_login(f"rtsp://viewer:Zq9xyz@10.91.0.2:554{path}") == f"rtsp://10.91.0.2:554{path}"
    assert keys == SHOWN_KEYS == stream_logins.SHOWN_KEYS


@CAMERA
@given(path=st.sampled_from(FORMS), password=st.from_regex(r"[A-Za-z0-9!@%&é-]{8,20}", fullmatch=True))
def test_a_camera_that_repeats_its_login_says_it_to_nobody(path: str, password: str) -> None:
    url = source_url(source(path, "viewer", "Zq9" + password))
    tail = url.partition("://")[2].partition("/")[2]
    said = (f"bad status code: 401 (no {'Zq9' + password})", f"bad status code: 404 (/{tail})", f"cannot reach {url}")
    lines = [
        json.dumps({"level": "ERR", "message": f"[path a/b/c/sub] [RTSP source] {text}"}, ensure_ascii=False)
        for text in said
    ]
    (errors,) = source_log.errors_in("\n".join(lines), {"a/b/c/sub"}, {"a/b/c/sub": url}).values()
    assert len(errors) == 3
    for error in errors:
        assert "Zq9" not in error
        assert "Zq9" not in unquote(error)
    assert "401" in errors[-1]


@CAMERA
def test_what_mediamtx_makes_of_a_cameras_words_is_not_repeated() -> None:
    # As 1.20.1 wrote it for a camera that answered `404 no p@ss/w%{x here`.
    url = source_url(source(FORMS[1], "view", "p@ss/w%{x"))
    line = "[path a/b/c/sub] [RTSP source] bad status code: 404 (no p@ss/w%!{(MISSING)x here)"
    said = json.dumps({"level": "ERR", "message": line})
    usual = json.dumps({"level": "ERR", "message": "[path a/b/c/sub] [RTSP source] bad status code: 404 (Not Found)"})
    errors = source_log.errors_in(f"{usual}\n{said}", {"a/b/c/sub"}, {"a/b/c/sub": url})
    assert errors == {"a/b/c/sub": ["bad status code: 404 (***)", "bad status code: 404 (Not Found)"]}


@VIEWER
def test_a_setting_of_another_hand_leaves_no_host() -> None:
    value = {"source": "publisher", "runOnReady": "ffmpeg -i rtsp://admin:Hoa5mai@192.168.1.64/1", "record": True}
    settings = relay.describe_path(value, "key")["settings"]
    assert "Hoa5mai" not in json.dumps(settings)
    assert settings == {"source": "publisher", "runOnReady": "set", "record": True}


@VIEWER
@settings(max_examples=25)
@given(left=st.integers(760, 830))
def test_a_login_is_taken_out_before_another_programs_words_are_cut(left: int) -> None:
    said = "rtsp://viewer:Hoa5mai@10.91.0.2:10554/user=viewer&password=Hoa5mai refused"
    script = "import sys; sys.stderr.write(sys.argv[1]); sys.exit(1)"
    with pytest.raises(shell.Failed) as caught:
        shell.run([sys.executable, "-c", script, said + "." * (left - 40)])
    assert "Hoa5mai" not in str(caught.value).partition(": ")[2]
