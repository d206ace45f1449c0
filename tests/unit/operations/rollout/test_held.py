"""What a host keeps of facilities that are held: taken out of its files and put back, whatever is in them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.base.errors import FrozenFacility, Problem
from provisioner.base.secret import Secret, content_key, host_digest_key
from provisioner.desired.render.host import MEDIAMTX_FILE, NFT_FILE, PSK_FILE, TRUST_FILE, WG_FILE
from provisioner.desired.spec import DesiredState
from provisioner.desired.state import desired_state
from provisioner.operations.rollout.job import Job, RolloutOptions, confirm_call, first_call
from provisioner_host.machine.shell import Failed
from provisioner_host.relay.relay import describe
from provisioner_host.state import frozen as host_held
from provisioner_host.state.revocable_texts import Unclear
from tests import fleets, inventories, plans

HOST = "relay-viettel-1"
FILES = (MEDIAMTX_FILE, WG_FILE, PSK_FILE, NFT_FILE, TRUST_FILE)
KEY = content_key(host_digest_key(Secret("digest-key"), HOST)).reveal()
HELD, LONGER, OTHER = "kcl-bg-1", "kcl-bg-10", "kcl-bg-2"
SITES = {HELD: 2, LONGER: 1, OTHER: 1}


def state(sites: dict[str, int], held: tuple[str, ...] = ()) -> DesiredState:
    """What hosts should hold; facilities that are held are not in it."""
    whole = fleets.complete(plans.of(SITES | sites))
    shown = whole.model_copy(
        update={"facilities": {n: f for n, f in whole.facilities.items() if n in sites and n not in held}}
    )
    return desired_state(shown, fleets.secrets_of(whole), {name: facility(name) for name in held})


def facility(name: str) -> FrozenFacility:
    return FrozenFacility(name, (Problem("x.yml", 1, 1, "c", "it is wrong", "mend it"),), names=(name,))


def texts(sites: dict[str, int] | None = None, held: tuple[str, ...] = ()) -> dict[str, str]:
    files = fleets.files_of(state(sites or SITES, held))[HOST]
    return {file.path: file.content.decode() for file in files if file.path in FILES}


def test_an_id_that_begins_like_another_is_another() -> None:
    rest, parts = host_held.taken(texts(), {LONGER}, KEY)
    assert all(f"/{LONGER}/" in name for name in parts.paths)
    assert f"bac-giang/{HELD}/cam-01/sub" in rest[MEDIAMTX_FILE]
    assert not host_held.taken(texts(), {"kcl-bg"}, KEY)[1].paths


def test_a_sentinel_tells_a_file_from_the_one_without() -> None:
    whole = texts()
    rest, parts = host_held.taken(whole, {HELD}, KEY)
    names = [describe(text[MEDIAMTX_FILE], "")["sentinel"] for text in (whole, rest)]
    assert len(set(names)) == 2
    changed = texts({HELD: 2, OTHER: 1}, held=(HELD,))
    again = host_held.put_back(changed, parts, KEY)[MEDIAMTX_FILE]
    assert describe(again, "")["sentinel"] not in names
    # As the controller would name it, if it knew the whole file.
    assert again == texts({HELD: 2, OTHER: 1})[MEDIAMTX_FILE]


def test_a_file_whose_sentinel_is_of_another_hand_keeps_it() -> None:
    whole = texts()
    sentinel = describe(whole[MEDIAMTX_FILE], "")["sentinel"] or ""
    drifted = whole | {MEDIAMTX_FILE: whole[MEDIAMTX_FILE].replace(sentinel, "cfg/0123456789ab")}
    rest, _ = host_held.taken(drifted, {HELD}, KEY)
    assert describe(rest[MEDIAMTX_FILE], "")["sentinel"] == "cfg/0123456789ab"


def test_lines_of_another_hand_stay_byte_for_byte() -> None:
    whole = texts()
    odd = f'  "bac-giang/{HELD}/cam-01/sub": {{"source": "rtsp://u:p@10.91.0.1:554/{{\\"a\\"}}",   "x":1}}'
    [line] = [line for line in whole[MEDIAMTX_FILE].splitlines() if f'"bac-giang/{HELD}/cam-01/sub"' in line]
    edited = whole | {MEDIAMTX_FILE: whole[MEDIAMTX_FILE].replace(line, odd)}
    rest, parts = host_held.taken(edited, {HELD}, KEY)
    assert f"/{HELD}/" not in rest[MEDIAMTX_FILE]
    assert odd in host_held.put_back(rest, parts, KEY)[MEDIAMTX_FILE]


def test_a_path_of_an_older_name_is_held_by_where_it_is_pulled_from() -> None:
    whole = texts()
    renamed = whole | {MEDIAMTX_FILE: whole[MEDIAMTX_FILE].replace(f'"bac-giang/{HELD}/', '"bac-giang/its-old-id/')}
    _, parts = host_held.taken(renamed, {HELD}, KEY)
    assert {line.facility for line in parts.paths.values()} == {HELD}
    assert all("its-old-id" in name for name in parts.paths)


@pytest.mark.parametrize("line", ["  nonsense: yes", '  "a/b/c/d": {broken', "metrics: true", '  "x": keep'])
def test_foreign_lines_are_nobodys(line: str) -> None:
    whole = texts()
    text = whole[MEDIAMTX_FILE].replace("paths:\n", f"paths:\n{line}\n")
    rest, parts = host_held.taken(whole | {MEDIAMTX_FILE: text}, {HELD}, KEY)
    assert f"{line}\n" in rest[MEDIAMTX_FILE]
    assert set(parts.paths) == set(host_held.taken(whole, {HELD}, KEY)[1].paths)


def test_what_is_not_clear_is_not_guessed() -> None:
    whole = texts()
    [line] = [line for line in whole[MEDIAMTX_FILE].splitlines() if f'"bac-giang/{HELD}/cam-01/sub"' in line]
    with pytest.raises(Unclear):
        host_held.taken(whole | {MEDIAMTX_FILE: whole[MEDIAMTX_FILE] + line + "\n"}, {HELD}, KEY)
    with pytest.raises(Unclear):
        host_held.taken(whole | {WG_FILE: whole[WG_FILE] + "\n[Peer]\nPublicKey = x\n"}, {HELD}, KEY)


def test_what_is_held_is_not_put_beside_what_has_its_name_key_or_address() -> None:
    rest, parts = host_held.taken(texts(), {HELD}, KEY)
    with pytest.raises(Failed, match="a path of that name"):
        host_held.put_back(texts(), parts, KEY)
    own = parts.peers[0]
    [other] = [line for line in rest[WG_FILE].splitlines() if line == f"PublicKey = {inventories.public_key(OTHER)}"]
    with pytest.raises(Failed, match="the key or the address"):
        host_held.put_back({WG_FILE: rest[WG_FILE].replace(other, f"PublicKey = {own.key}")}, parts, KEY)


def test_a_host_that_has_nothing_of_it_is_as_it_is() -> None:
    whole = texts({OTHER: 1})
    rest, parts = host_held.taken(whole, {HELD}, KEY)
    assert (rest, parts) == (whole, host_held.FrozenLines())
    assert host_held.put_back(whole, parts, KEY) == whole
    assert host_held.taken({}, {HELD}, KEY) == ({}, host_held.FrozenLines())


def test_no_secret_is_told_of_what_is_held() -> None:
    rest, parts = host_held.taken(texts(), {HELD}, KEY)
    said = json.dumps(host_held.answer_of(texts(), rest, parts, KEY))
    secrets = [*parts.psks.values(), plans.PASSWORD, "rtsp://"]
    assert not [secret for secret in secrets if secret in said]
    assert set(json.loads(said)["digests"]) == set(FILES)


# --- in a transaction -----------------------------------------------------------------------------
def staged(tmp_path: Path, job: Job) -> Any:
    """A change as the host sees it: what is wanted, staged in a folder."""
    request = dict(first_call(job, "run-1", RolloutOptions()).request)
    folder = tmp_path / "files"
    folder.mkdir()
    for number, file in enumerate(job.files):
        (folder / str(number)).write_bytes(file.content)
    place = {path: folder / wanted["content"] for path, wanted in request["files"].items()}
    return SimpleNamespace(request=request, wanted=request["files"], staged=lambda path: place[str(path)])


def job_of(held: tuple[str, ...]) -> Job:
    desired = state({LONGER: 1, OTHER: 1}, held)
    return Job(desired.hosts[HOST], fleets.files_of(desired)[HOST], None, "")


def test_what_is_staged_gets_what_is_held_as_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = texts()
    monkeypatch.setattr(host_held, "live_texts", lambda: live)
    change = staged(tmp_path, job_of((HELD,)))
    bare = change.request["sentinel"]
    host_held.keep(change)
    now = {path: change.staged(Path(path)).read_text() for path in FILES}
    assert now == live
    assert inventories.public_key(HELD) in change.request["peers"]
    assert change.request["sentinel"] == describe(live[MEDIAMTX_FILE], "")["sentinel"] != bare


def test_a_confirmation_expects_what_is_held_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    live = texts()
    monkeypatch.setattr(host_held, "live_texts", lambda: live)
    monkeypatch.setattr(host_held, "_text", lambda path: live.get(str(path)))
    call = confirm_call(job_of((HELD,)), "run-1", RolloutOptions())
    peers, sentinel = host_held.expected(call.request)  # type: ignore[arg-type]
    assert set(peers) == set(host_held.FrozenParts((), KEY).parts.psks) | {
        *(inventories.public_key(name) for name in SITES),
        inventories.public_key("centre"),
    }
    assert sentinel == describe(live[MEDIAMTX_FILE], "")["sentinel"]
    plain = confirm_call(job_of(()), "run-1", RolloutOptions())
    assert host_held.expected(plain.request) == (plain.request["peers"], plain.request["sentinel"])  # type: ignore[arg-type]


def test_a_host_of_unclear_files_refuses_before_any_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_held, "live_texts", lambda: texts() | {PSK_FILE: "one word\nand more of them\n"})
    change = staged(tmp_path, job_of((HELD,)))
    before = {path: change.staged(Path(path)).read_bytes() for path in FILES}
    with pytest.raises(Failed, match=r"which is held|that is held"):
        host_held.keep(change)
    assert {path: change.staged(Path(path)).read_bytes() for path in FILES} == before


def test_a_state_that_is_returned_to_keeps_what_is_held_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = {path: text.replace("cam-01", "cam-07") for path, text in texts({OTHER: 1}).items()}
    saved = {path: tmp_path / str(number) for number, path in enumerate(FILES)}
    for path, place in saved.items():
        place.write_text(older[path])
    live = texts()
    monkeypatch.setattr(host_held, "live_texts", lambda: live)
    monkeypatch.setattr(host_held, "write", lambda path, content, **_rights: path.write_bytes(content))
    host_held.keep_in(tmp_path, saved, {HELD}, KEY)
    now = {path: place.read_text() for path, place in saved.items()}
    assert host_held.taken(now, {HELD}, KEY)[1] == host_held.taken(live, {HELD}, KEY)[1]
    assert f"bac-giang/{OTHER}/cam-07/sub" in now[MEDIAMTX_FILE]
    assert f"bac-giang/{LONGER}/" not in now[MEDIAMTX_FILE]
