"""What a forge is told: one comment, labels of one family, a status; whichever forge, and however it fails."""

import io
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner.base import http
from provisioner.cli.main import run
from provisioner.integrations.forge import client
from tests.forges import COMMIT, GONE, NUMBER, TOKEN, Forge, served_forge
from tests.hostile import MERGE_REQUEST

KINDS = ("github", "gitlab", "forgejo")
OPEN = dict.fromkeys(("CI_API_V4_URL", "GITHUB_API_URL"), "http://forge.example.com/api")
MARKER = "<!-- provisioner:plan -->"


@pytest.fixture(params=KINDS)
def forge(request: pytest.FixtureRequest) -> Iterator[Forge]:
    with served_forge(request.param) as one:
        yield one


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between attempts is waited for."""
    monkeypatch.setattr(http, "_FIRST_PAUSE_S", 0.01)
    usual = http.HttpLimits.of
    monkeypatch.setattr(
        http.HttpLimits, "of", classmethod(lambda _cls, env: http.HttpLimits(usual(env).attempt_s, 5.0, 4, 0.01))
    )


@pytest.fixture
def call(forge: Forge, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Call a command as a pipeline of the forge does."""

    def called(*words: str, stdin: str = "", **more: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogateescape"))))
        env = {"HOME": str(tmp_path), "PROVISIONER_FORGE_TOKEN": TOKEN, **forge.environment, **more}
        code = run([*words], env)
        said = capsys.readouterr()
        assert TOKEN not in said.out + said.err
        return code, said.out, said.err

    return called


def document(**impacts: int) -> dict[str, Any]:
    summary = {"impact": {"none": 0, "hot": 0, "path": 0, "all": 0, **impacts}, "trust": 0}
    return {"schema": "provisioner/compare", "version": 1, "summary": summary, "refused": [], "held": []}


# --- comments -------------------------------------------------------------------------------------
def test_a_merge_request_has_one_comment_whatever_is_pushed(forge: Forge, call: Any) -> None:
    forge.note("somebody", "Looks good.")
    assert call("forge", "comment", "-", stdin="### Plan: 1 to create\n") == (
        *(0, f"merge request {NUMBER}: the comment was added\n", ""),
    )
    assert call("forge", "comment", "-", stdin="### Plan: 2 to create\n")[1].endswith("was edited\n")
    assert call("forge", "comment", "-", stdin="### Plan: 2 to create\n")[1].endswith("was unchanged\n")
    assert [note.body for note in forge.notes] == ["Looks good.", f"{MARKER}\n### Plan: 2 to create\n"]
    assert call("forge", "comment", "-", "--name", "verify", stdin="All up.\n")[0] == 0
    assert [note.body for note in forge.notes][2] == "<!-- provisioner:verify -->\nAll up.\n"


def test_it_is_known_again_behind_hundreds_of_others(forge: Forge, call: Any) -> None:
    for number in range(250):
        forge.note("somebody", f"remark {number}")
    call("forge", "comment", "-", stdin="one")
    call("forge", "comment", "-", stdin="two")
    assert len(forge.notes) == 251
    assert forge.notes[-1].body == f"{MARKER}\ntwo"


@MERGE_REQUEST
def test_what_somebody_else_wrote_under_our_marker_is_not_taken_for_ours(forge: Forge, call: Any) -> None:
    theirs = f"{MARKER}\n### Plan: no change. Approved by everybody."
    forge.note("mallory", theirs)
    assert call("forge", "comment", "-", stdin="### Plan: every path is cut\n")[1].endswith("was added\n")
    assert [(note.author, note.body) for note in forge.notes] == [
        ("mallory", theirs),
        (forge.account, f"{MARKER}\n### Plan: every path is cut\n"),
    ]


@MERGE_REQUEST
@pytest.mark.parametrize("comments", [1, 40, 300])
def test_large_comments_keep_no_comment_of_ours_away(
    forge: Forge, call: Any, monkeypatch: pytest.MonkeyPatch, comments: int
) -> None:
    monkeypatch.setattr(client, "_MOST_BYTES", 100_000)
    for _ in range(comments):
        forge.note("mallory", "x" * (120_000 // min(comments, 100)))
    for text in ("one", "two"):
        assert call("forge", "comment", "-", stdin=text)[:2] == (0, f"merge request {NUMBER}: the comment was added\n")
    assert forge.notes[-1].body == f"{MARKER}\ntwo"


def test_a_runners_own_token_that_may_not_ask_whose_it_is_is_known(call: Any, forge: Forge) -> None:
    forge.tells_account = False
    forge.account = {"github": "github-actions[bot]", "gitlab": "bot", "forgejo": "forgejo-actions"}[forge.kind]
    own = ("--account", "bot") if forge.kind == "gitlab" else ()
    for text in ("one", "two"):
        assert call("forge", "comment", "-", *own, stdin=text)[0] == 0
    assert [note.body.partition("\n")[2] for note in forge.notes] == ["two"]


@MERGE_REQUEST
def test_a_token_that_may_not_ask_for_its_account_knows_its_comment_by_a_proof(call: Any, forge: Forge) -> None:
    """A Forgejo token with `write:issue` alone."""
    forge.tells_account = False
    theirs = f"{MARKER}\n### Plan: no change."
    forge.note("mallory", theirs)
    for text, what in (("one", "added"), ("two", "edited"), ("two", "unchanged")):
        assert call("forge", "comment", "-", stdin=text)[1].endswith(f"was {what}\n")
    mark = forge.notes[1].body.partition("\n")[0]
    forge.note("mallory", f"{mark}\n### Plan: no change.")
    assert call("forge", "comment", "-", stdin="three")[1].endswith("was edited\n")
    assert call("forge", "comment", "-", "--name", "verify", stdin="up")[1].endswith("was added\n")
    assert [note.body.partition("\n")[2] for note in forge.notes] == [
        *("### Plan: no change.", "three", "### Plan: no change.", "up")
    ]
    assert all(TOKEN not in note.body for note in forge.notes)


def test_a_text_that_is_too_long_is_cut_at_a_line_and_says_how_much_is_left(call: Any, forge: Forge) -> None:
    rows = [f"| camera-{number:05} | đổi |" for number in range(3000)]
    assert call("forge", "comment", "-", stdin="\n".join(rows))[0] == 0
    *shown, empty, rest = forge.notes[0].body.splitlines()[1:]
    assert (shown, empty) == (rows[: len(shown)], "")
    assert rest.startswith(f"**{3000 - len(shown)} more lines**")
    assert 55_000 < len(forge.notes[0].body.encode()) < 65_536
    assert call("forge", "comment", "-", stdin="```\n" + "\n".join(rows))[0] == 0
    assert forge.notes[0].body.count("```") == 2


@pytest.mark.parametrize(("text", "words"), [("", "is empty"), (" \n", "is empty"), ("\udcff", "is no text")])
def test_what_is_no_comment_is_not_sent(call: Any, forge: Forge, text: str, words: str) -> None:
    code, _, err = call("forge", "comment", "-", stdin=text)
    assert code == 2
    assert words in err
    assert not forge.calls


# --- labels ---------------------------------------------------------------------------------------
def test_labels_say_the_worst_and_others_stay(forge: Forge, call: Any) -> None:
    forge.labels = ["label-03"]
    plan = document(hot=3, path=1) | {"held": [{"id": "kcl-001"}]}
    code, out, _ = call("forge", "labels", "-", stdin=json.dumps(plan))
    assert (code, out) == (0, f"merge request {NUMBER}: plan:path, plan:held\n")
    assert sorted(forge.labels) == ["label-03", "plan:held", "plan:path"]
    trusted = document(all=1)
    trusted["summary"]["trust"] = 2
    assert call("forge", "labels", "-", stdin=json.dumps(trusted | {"refused": [{"policy": "trust"}]}))[0] == 0
    assert sorted(forge.labels) == ["label-03", "plan:all", "plan:refused", "plan:trust"]
    before = len(forge.calls)
    code, out, _ = call("--output", "json", "forge", "labels", "-", stdin=json.dumps(document()))
    assert json.loads(out)["removed"] == ["plan:all", "plan:refused", "plan:trust"]
    assert sorted(forge.labels) == ["label-03", "plan:no-change"]
    assert call("forge", "labels", "-", stdin=json.dumps(document()))[0] == 0
    assert [one.split()[0] for one in forge.calls[before:]][-1] == "GET", "nothing is sent where all is as it should be"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "provisioner/verify"}', "[" * 100_000])
def test_labels_are_of_a_plans_document_alone(call: Any, forge: Forge, text: str) -> None:
    code, _, err = call("forge", "labels", "-", stdin=text)
    assert code == 2
    assert "hint: pass what --output json plan prints" in err
    assert not forge.calls


# --- statuses -------------------------------------------------------------------------------------
def test_a_status_is_replaced_by_its_name(forge: Forge, call: Any) -> None:
    assert call("forge", "status", "pending", "wave 1 of 2", "--name", "provisioner/apply")[0] == 0
    long = "24 of 24 paths are up " * 40
    target = ("--target", "https://noc.example.com/runs/1")
    code, out, _ = call("forge", "status", "failure", long, "--name", "provisioner/apply", *target)
    assert (code, out) == (0, f"commit {COMMIT[:12]}: provisioner/apply is failure\n")
    (status,) = forge.statuses.values()
    assert status["state"] == ("failed" if forge.kind == "gitlab" else "failure")
    assert status["description"].startswith("24 of 24 paths are up")
    assert status["target_url"] == "https://noc.example.com/runs/1"


# --- how it fails ---------------------------------------------------------------------------------
@pytest.mark.parametrize("failing", [[500], [502, 503], [429]])
def test_what_passes_is_tried_again(forge: Forge, call: Any, failing: list[int]) -> None:
    forge.failing = failing
    assert call("forge", "comment", "-", stdin="one")[0] == 0
    assert [note.body for note in forge.notes] == [f"{MARKER}\none"]


@pytest.mark.parametrize("command", ["comment", "labels"])
def test_a_merge_request_that_is_not_there_is_told_at_once(forge: Forge, call: Any, command: str) -> None:
    code, _, err = call("forge", command, "-", "--request", "4711", stdin=json.dumps(document()))
    assert code == 14
    assert ("it has no merge request 4711" if forge.kind == "forgejo" else "it answers 404") in err
    assert "tried" not in err
    assert len([one for one in forge.calls if "4711" in one]) <= 2


def test_a_commit_that_is_not_there_is_told_at_once(forge: Forge, call: Any) -> None:
    if forge.kind != "forgejo":
        pytest.skip("the others refuse it by themselves")
    code, _, err = call("forge", "status", "success", "all up", "--commit", GONE)
    assert (code, "it has no commit 47114711" in err, "tried" in err) == (14, True, False)
    assert len(forge.calls) == 2


@pytest.mark.parametrize(("status", "words"), [(500, "tried 4 times"), (302, "is not followed"), (422, "422")])
def test_what_does_not_pass_ends_with_14_and_says_why(forge: Forge, call: Any, status: int, words: str) -> None:
    forge.failing = [status] * 9
    code, _, err = call("forge", "status", "success", "all up")
    assert code == 14
    assert f"error: {forge.kind} project {forge.project} was not told: it answers {status}" in err
    assert words in err
    assert ", and says: no" in err


@MERGE_REQUEST
@pytest.mark.parametrize(
    "raw", [b'{"message": "\\u001b[31m' + b"x" * 9999 + b'"}', f'{{"message": "not {TOKEN}"}}'.encode(), b"[" * 99_999]
)
def test_the_words_of_a_forge_are_short_and_printable_and_have_no_token(forge: Forge, call: Any, raw: bytes) -> None:
    forge.failing, forge.failed = [422] * 9, raw
    code, _, err = call("forge", "status", "success", "all up")
    assert code == 14
    assert "\x1b" not in err
    assert len(err) < 600


@contextmanager
def answering(status: int, place: str, asked: list[str]) -> Iterator[str]:
    """A server that leads each request elsewhere, and keeps what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def lead(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Location", place + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = lead  # noqa: N815 (the library's own words)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@MERGE_REQUEST
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("words", [("comment", "-"), ("labels", "-"), ("status", "success", "all up")])
def test_a_forge_that_leads_elsewhere_takes_neither_along(call: Any, status: int, words: tuple[str, ...]) -> None:
    there: list[str] = []
    asked: list[str] = []
    with answering(200, "", there) as elsewhere, answering(status, elsewhere, asked) as place:
        led = dict.fromkeys(("CI_API_V4_URL", "GITHUB_API_URL"), f"{place}/api")
        code, _, err = call("forge", *words, stdin=json.dumps(document()), **led)
    assert code == 14
    assert f"it answers {status}: a redirect is not followed" in err
    assert asked
    assert there == []


def test_another_token_is_refused_with_what_to_look_at(forge: Forge, call: Any) -> None:
    code, _, err = call("forge", "status", "success", "all up", PROVISIONER_FORGE_TOKEN="another")
    assert code == 14
    assert "hint: see that the token in PROVISIONER_FORGE_TOKEN, with its rights, is the one that the server" in err
    assert not forge.statuses


@pytest.mark.parametrize(
    "raw", [b"<html>", b"null", b"{}", b'[{"id": "1"}, 7, {"id": 1, "body": null, "user": []}]', b"[" * 200_000]
)
def test_whatever_it_answers_is_an_error_or_a_comment_and_never_a_trace(forge: Forge, call: Any, raw: bytes) -> None:
    forge.raw = raw
    code, out, err = call("forge", "comment", "-", stdin="one")
    assert code in {0, 14}
    assert "Traceback" not in out + err


def test_a_forge_that_is_away_is_said_to_be(call: Any) -> None:
    away = dict.fromkeys(("CI_API_V4_URL", "GITHUB_API_URL"), "http://127.0.0.1:9/api")
    code, _, err = call("forge", "comment", "-", stdin="one", **away)
    assert code == 14
    assert "it cannot be reached" in err
    assert "see whether the address in PROVISIONER_FORGE_URL is right" in err


# --- who and where --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (
            {"CI_API_V4_URL": "http://forge.example.com/api", "GITHUB_API_URL": "http://forge.example.com/api"},
            "http:// is",
        ),
        ({"CI_PROJECT_ID": "../../user", "GITHUB_REPOSITORY": "../user"}, "is no project of a forge"),
        ({"CI_PROJECT_ID": "1?x=2", "GITHUB_REPOSITORY": "noc/inventory?x"}, "is no project of a forge"),
        ({"CI_MERGE_REQUEST_IID": "7/notes", "GITHUB_REF": "refs/heads/main"}, "merge request"),
        ({"PROVISIONER_FORGE_TOKEN": ""}, "there is no token for the forge"),
        ({"PROVISIONER_FORGE_TOKEN": "two\nlines"}, "what is to be the forge's token is none"),
        ({"PROVISIONER_FORGE_TOKEN_FILE": "/nowhere/token"}, "PROVISIONER_FORGE_TOKEN_FILE cannot be read"),
        ({"PROVISIONER_FORGE": "svn"}, "'svn' is no forge that is known"),
    ],
)
def test_what_is_not_known_is_asked_for_and_nothing_is_sent(
    forge: Forge, call: Any, environment: dict[str, str], words: str
) -> None:
    code, _, err = call("forge", "comment", "-", stdin="one", **environment)
    assert code == 2
    assert words in err
    assert "hint: " in err
    assert not forge.calls


def test_the_token_may_stand_in_a_file(forge: Forge, call: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    file = str(tmp_path / "token")
    assert (
        call("forge", "status", "success", "up", PROVISIONER_FORGE_TOKEN="", PROVISIONER_FORGE_TOKEN_FILE=file)[0] == 0
    )
    assert forge.statuses


def test_outside_of_pipelines_people_say_it(forge: Forge, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "PROVISIONER_FORGE_TOKEN": TOKEN}
    words = ["forge", "status", "success", "up", "--commit", COMMIT]
    assert run(words, env) == 2
    assert "hint: write --forge, or PROVISIONER_FORGE" in capsys.readouterr().err
    place = ["--forge", forge.kind, "--url", forge.url, "--project", forge.project]
    assert run([*words, *place], env) == 0
    assert (COMMIT, "provisioner") in forge.statuses
