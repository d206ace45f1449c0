"""Passwords and people's data that are typed where they do not belong: refused by place, and shown nowhere."""

import json
import re
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints

from provisioner.base.errors import StateError
from provisioner.cli.main import run
from provisioner.inventory.model.base import Model, Text
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.free_texts import texts_in, with_texts
from provisioner.inventory.rules import check_site
from provisioner.inventory.rules.sites import Days, SiteView
from provisioner.inventory.rules.texts import PRIVATE_TEXTS
from provisioner.inventory.rules.texts import public_text as withheld
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import open_history
from tests import inventories as make
from tests.hostile import MERGE_REQUEST, VIEWER

CANARY = "Hoa5mai"
LETTERS = "Hoamai"
PHONE = "0912 345 678"

NOT_RECORDED = {"allocation-missing", "host-keys-missing", "secrets-not-checked"}
PATHS = {
    "query": f"/user=admin&password={CANARY}&channel=1&stream=0.sdp",
    "short keys": f"/ch1?usr=view1&pwd={CANARY}",
    "auth": f"/ch1?auth={CANARY}",
    "base64": "/live/YWRtaW46SG9hNW1haQ==/1",
    "token": f"/live?token={CANARY}",
    "userinfo": f"//admin:{CANARY}@/ch1",
    "one encoding": "/ch1?" + quote(f"password={CANARY}", safe=""),
    "three encodings": "/ch1?" + quote(quote(quote(f"password={CANARY}", safe=""), safe=""), safe=""),
    "underscores": f"/user=admin_password={CANARY}_channel=1_stream=0.sdp",
    "half by reference": f"/user={{username}}_password={CANARY}_channel=1_stream=0.sdp",
    "a name in front": f"/admin:{CANARY}/ch1",
    "segments": f"/live/admin/{CANARY}/1",
    "a reference and more": f"/ch1?password={{password}}{CANARY}",
    "capitals": f"/ch1?PassWord={CANARY}",
    "another brace": f"/ch1?p={{{LETTERS}}}",
}
TEXTS = {
    "phone": f"gọi {PHONE}",
    "phone without spaces": "SĐT0912345678",
    "phone in full-width digits": "\uff10\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
    "phone with signs of no width": "0912\u200b345\u200b678",
    "phone with dashes": "gọi 0912\u2013345\u2013678",
    "phone after a day": "09-05-2021 0912345678",
    "e-mail": "hoi nguyen.van.a@example.com",
    "e-mail in full width": "nguyen.van.a\uff20example.com",
    "password": f"mật khẩu đầu ghi: {CANARY}",
    "login in an address": f"rtsp://admin:{CANARY}@192.168.1.64/1",
    "login": f"admin/{CANARY}",
}


def facility(**changes: Any) -> dict[str, Any]:
    return make.facility() | make.signed(make.facility() | changes)


def with_path(path: str) -> dict[str, Any]:
    return facility(cameras=[make.camera(streams={"sub": {"width": 640, "height": 360, "rtsp_path": path}})])


def answered(root: Path, *words: str) -> tuple[int, str]:
    """The exit code of a command, and all that it printed."""
    out, err = StringIO(), StringIO()
    day = ["--as-of", "2021-05-09"] if "validate" in words else []
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["-i", str(root), *words, *day], {"XDG_CACHE_HOME": str(root.parent / "cache")})
    return code, out.getvalue() + err.getvalue()


def refused(root: Path, *secret: str) -> list[dict[str, Any]]:
    """The errors of an inventory that is refused, once no form of output shows a secret."""
    for form in (("validate",), ("--output", "json", "validate"), ("validate", "--sarif", str(root.parent / "s.json"))):
        code, output = answered(root, *form)
        assert code == 3, output
        assert not [text for text in secret if text in output], form
    assert not [text for text in secret if text in (root.parent / "s.json").read_text(encoding="utf-8")]
    return [problem for problem in problems_of(root) if problem["severity"] == "error"]


def problems_of(root: Path) -> list[dict[str, Any]]:
    """What is wrong with an inventory, but for what is not recorded yet."""
    _, output = answered(root, "--output", "json", "validate")
    listed: list[dict[str, Any]] = json.loads(output[: output.rindex("}") + 1])["problems"]
    return [problem for problem in listed if problem["code"] not in NOT_RECORDED]


@MERGE_REQUEST
@pytest.mark.parametrize("form", PATHS)
def test_a_login_in_an_rtsp_path_is_refused_and_shown_nowhere(tmp_path: Path, form: str) -> None:
    root = make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": with_path(PATHS[form])})
    (problem,) = refused(root, CANARY, LETTERS, PATHS[form])
    assert problem["code"] in {"password-in-path", "rtsp-path-reference"}
    assert problem["file"].endswith("kcl-bg-001.yml")
    assert (problem["line"], problem["column"]) > (1, 1)
    assert "{password}" in problem["hint"]


@pytest.mark.parametrize(
    "path",
    [
        *("/Streaming/Channels/101", "/Streaming/Channels/101?transportmode=unicast&profile=Profile_1"),
        "/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif",
        "/axis-media/media.amp?videocodec=h264&resolution=640x480&camera=1",
        "/onvif-media/media.amp?profile=profile_1_h264&sessiontimeout=60&streamtype=unicast",
        *("/h264/ch1/sub/av_stream", "/live/ch00_0", "/11", "/media/video1", "/unicast/c1/s0/live"),
        "/user={username}&password={password}&channel=1&stream=0.sdp",
        *("/user={username}_password={password}_channel=1_stream=0.sdp?real_stream", "/live/{username}/{password}/ch1"),
        "/ch1?usr={username}&pwd={password}",
    ],
)
def test_an_rtsp_path_without_a_login_is_taken(tmp_path: Path, path: str) -> None:
    root = make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": with_path(path)})
    assert problems_of(root) == []


@MERGE_REQUEST
@pytest.mark.parametrize("form", TEXTS)
def test_what_is_private_in_a_free_text_is_refused_and_shown_nowhere(tmp_path: Path, form: str) -> None:
    text = TEXTS[form]
    plain = facility(survey=make.survey(obstacles=text))
    root = make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": plain})
    (problem,) = refused(root, CANARY, PHONE, text)
    assert problem["code"] in {"password-in-text", "personal-in-text"}
    assert (problem["line"], problem["column"]) > (1, 1)
    assert "Git does not forget" in problem["hint"]


_SITE = "facilities/bac-giang/kcl-bg-001.yml"
_PROGRAM = {"version": "1.20.1", "sha256": {"amd64": "0" * 64}}
_FREEZE = {"from": "2021-05-22T06:00", "until": "2021-05-23T06:00"}
_ONE: dict[str, Any] = {"version": 1}
_INTENT = {"id": "one", "deny": {"from": ["relays"], "to": ["internet"]}}
_SIGNER = {"carrier": "viettel", "key": f"ssh-ed25519 {'A' * 68}", "since": "2021-05-01"}


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("name", "plain"),
    [
        (_SITE, facility(cameras=[make.camera(id="cam-01", location=TEXTS["phone"])])),
        (_SITE, facility(cameras=[make.camera(model=f"mk: {CANARY}")])),
        (_SITE, facility() | {"name": TEXTS["e-mail"]}),
        (_SITE, facility(location={"street": TEXTS["phone"]})),
        (_SITE, facility(survey=make.survey(uplink={"kind": "fibre", "router": f"pass: {CANARY}"}))),
        ("carriers/viettel.yml", make.carrier(name="x") | {"id": "viettel", "name": TEXTS["phone"]}),
        ("centres/centre.yml", make.centre() | {"name": TEXTS["e-mail"]}),
        ("inventory.yml", make.settings(policy={"freeze": [_FREEZE | {"reason": TEXTS["phone"]}]})),
        ("maintenance.yml", _ONE | {"windows": [_FREEZE | {"everything": True, "reason": TEXTS["phone"]}]}),
        ("intents.yml", _ONE | {"intents": [_INTENT | {"reason": TEXTS["e-mail"]}]}),
        ("signers.yml", _ONE | {"carriers": [_SIGNER | {"office": TEXTS["phone"], "source": "02/QD"}]}),
        ("signers.yml", _ONE | {"carriers": [_SIGNER | {"office": "NOC", "source": f"mk: {CANARY}"}]}),
        *(
            ("inventory.yml", make.settings(mediamtx=_PROGRAM | {"source": source}))
            for source in (
                f"https://bot:{CANARY}@mirror.example.com/{{version}}/{{arch}}",
                f"https://mirror.example.com/{{version}}?token={CANARY}",
            )
        ),
    ],
)
def test_no_other_text_of_the_inventory_holds_what_is_private(tmp_path: Path, name: str, plain: Any) -> None:
    root = make.write_inventory(tmp_path / "inv", {name: plain})
    codes = {problem["code"] for problem in refused(root, CANARY, PHONE, "nguyen.van.a")}
    assert codes & {"password-in-text", "personal-in-text", "password-in-path"}, codes


@MERGE_REQUEST
@pytest.mark.parametrize(
    "changes",
    [
        {"name": f"Trường {PHONE}\nmật khẩu: {CANARY}"},
        {"operating": f"mật khẩu: {CANARY}"},
        {"opened_on": f"{PHONE}"},
        {f"password: {CANARY}": "x"},
        {"cameras": [make.camera(streams={"sub": {"width": 640, "height": 360, "rtsp_path": f"user=a&pwd={CANARY}"}})]},
        {"cameras": [make.camera(name=f"admin:{CANARY}")]},
        {"capacity": {"people": f"admin/{CANARY}"}},
    ],
)
def test_a_value_that_does_not_fit_is_not_repeated_where_it_is_private(tmp_path: Path, changes: dict[str, Any]) -> None:
    root = make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": facility(**changes)})
    assert refused(root, CANARY, PHONE)


@VIEWER
def test_a_page_of_an_inventory_with_errors_withholds_what_is_private(tmp_path: Path) -> None:
    blocked = {
        "reason": "no_uplink",
        "owner": "carrier",
        "since": "2021-05-01",
        "next_action": f"gọi {PHONE}",
        "due": "2021-05-20",
    }
    plain = facility(survey=make.survey(obstacles=f"mật khẩu: {CANARY}"), blocked=blocked)
    root = make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": plain})
    code, output = answered(root, "--output", "json", "status", "kcl-bg-001")
    assert code == 3, "it is held"
    assert "withheld" in output
    for report in ("progress", "surveys", "zones"):
        _, page = answered(root, "--output", "json", "export", report)
        output += page
    assert CANARY not in output
    assert PHONE not in output


@pytest.mark.parametrize(
    "text",
    [
        *("số 1234/QĐ-UBND ngày 12/05/2021", "Công văn 0123/BTTTT-CVT ngày 09/05/2021, trước 10/5/2021"),
        *("Biên bản số 01/2021/BB-KS, 08 phòng, tầng 2", "192.168.100.200, 10.0.0.1/24", "21.027764, 105.834160"),
        *("DS-2CD1023G0E-I", "DS-2CD1023G0E-I20200612AAWRE12345678", "S/N 4J0123456789"),
        *("IPC-HFW1230S-S5, H.265+, 2MP", "Chưa có mật khẩu đầu ghi", "QL1A km 0+900, thôn 3", "0912"),
        *("từ 05-05-2021 08:30 đến 07-05-2021 17:00", "09.05.2021 08h30, 09.05.2021 10h", "2021-05-07 08:30"),
        "FPT 100/100 Mbps",
    ],
)
def test_what_reads_like_a_number_of_something_else_is_taken(tmp_path: Path, text: str) -> None:
    plain = facility(survey=make.survey(obstacles=text))
    root = make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": plain})
    assert problems_of(root) == []


@VIEWER
def test_a_word_made_like_a_password_is_warned_of_and_on_no_page(tmp_path: Path) -> None:
    word = "Hoa5mai@BG"
    plain = facility(survey=make.survey(obstacles=f"{word} tầng 2"))
    root = make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": plain})
    (problem,) = problems_of(root)
    assert (problem["code"], problem["severity"]) == ("text-like-a-password", "warning")
    for command in (["export", "surveys"], ["status", "kcl-bg-001"], ["validate"]):
        assert word not in answered(root, "--output", "json", *command)[1]


@MERGE_REQUEST
@pytest.mark.parametrize("form", TEXTS)
def test_no_other_problem_repeats_what_is_private(tmp_path: Path, form: str) -> None:
    order = {
        "ref": TEXTS[form],
        "issuer": "Bộ",
        "issued_on": "2021-05-07",
        "before": "2021-05-06",
        "scope": ["ubnd_tinh"],
        "supersedes": ["1407/BTTTT-CVT"],
    }
    root = make.write_inventory(tmp_path / "inv", {"instructions.yml": {"version": 1, "instructions": [order, order]}})
    codes = {problem["code"] for problem in refused(root, CANARY, PHONE, TEXTS[form])}
    assert {"instruction-duplicate", "instruction-deadline", "instruction-unknown"} < codes


@MERGE_REQUEST
@pytest.mark.parametrize("form", TEXTS)
def test_a_sign_off_writes_nothing_private_into_a_file(tmp_path: Path, form: str) -> None:
    root = make.write_inventory(tmp_path / "inv", {})
    path = root / "facilities/bac-giang/kcl-bg-001.yml"
    before = path.read_bytes()
    code, output = answered(
        root, "sign-off", "kcl-bg-001", "--by", "dic", "--on", "2021-05-08", "--source", TEXTS[form]
    )
    assert code == 2
    assert path.read_bytes() == before
    assert CANARY not in output
    assert PHONE not in output


@VIEWER
@pytest.mark.parametrize("password", ["Hoa@5maiX", "Hoa5mai@", "a@Hoa5mai@b"])
def test_a_database_that_does_not_answer_says_nothing_of_its_password(password: str) -> None:
    place = StateFolder("test", None, f"postgresql+psycopg://u:{password}@127.0.0.1:1/db")
    with pytest.raises(StateError) as caught, closing(open_history(place)):
        pass
    assert "5mai" not in str(caught.value)
    assert "5mai" not in caught.value.hint


def test_every_text_of_the_models_has_a_form_or_is_looked_at() -> None:
    """A new field has a form in which nothing of that kind can be written, or it is a free text."""
    listed = [(model, name, hint) for model in plain_models(Model) for name, hint in hints_of(model).items()]
    assert len(listed) > 100
    for model, name, hint in listed:
        for form in texts_of(hint):
            is_free = form is str or get_args(form)[:2] == get_args(Text)
            assert is_free or (model.__name__, name) in LOOKED_AT or refuses(form), (model, name)


#: Texts with a form that leaves room, and rules of their own.
LOOKED_AT = {("Stream", "rtsp_path"), ("MediamtxArtefact", "source"), ("Signature", "sshsig")}


def plain_models(model: type[Model]) -> Iterator[type[Model]]:
    """All models of files that are not encrypted."""
    for below in model.__subclasses__():
        if not below.__module__.endswith(".vaulted"):
            yield below
        yield from plain_models(below)


def hints_of(model: type[Model]) -> dict[str, Any]:
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in model.model_fields}


def texts_of(hint: Any) -> Iterator[Any]:
    if hint is str or (get_origin(hint) is Annotated and get_args(hint)[0] is str):
        yield hint
    else:
        for part in get_args(hint):
            yield from texts_of(part)


def refuses(form: Any) -> bool:
    patterns = [part.pattern for part in get_args(form)[1:] if isinstance(part, StringConstraints)]
    return any(pattern and not any(re.search(pattern, text) for text in TEXTS.values()) for pattern in patterns)


@MERGE_REQUEST
@given(text=st.sampled_from(sorted(TEXTS.values())), data=st.data())
def test_wherever_a_free_text_stands_it_is_found(text: str, data: st.DataObject) -> None:
    plain = Facility.model_validate_json(json.dumps(FULL))
    paths = [path for path, _ in texts_in(plain)]
    assert len(paths) == 15
    chosen = data.draw(st.sampled_from(paths))
    number = paths.index(chosen)
    shown = iter(range(len(paths)))
    changed = with_texts(plain, lambda old: text if next(shown) == number else old)
    problems = check_site(SiteView(changed, Days(make.TODAY)))
    assert {problem.code for problem in problems} & PRIVATE_TEXTS
    assert text not in repr([problem for problem in problems if problem.code in PRIVATE_TEXTS])
    assert text not in [old for _, old in texts_in(with_texts(changed, withheld))]


FULL = make.facility() | {
    "location": {"street": "Số 1", "ward": "Phường A", "district": "Quận B"},
    "survey": make.survey(obstacles="Chưa có mật khẩu", advice="Thêm camera")
    | {"uplink": {"kind": "fibre", "provider": "FPT", "router": "iGate GW020-H"}},
    "blocked": {
        "reason": "no_uplink",
        "owner": "carrier",
        "since": "2021-05-01",
        "next_action": "Kéo cáp",
        "due": "2021-05-20",
    },
    "recorders": [make.recorder(model="DS-7616")],
    "cameras": [make.camera(location="Cổng", model="DS-2CD1023G0E-I")],
}
