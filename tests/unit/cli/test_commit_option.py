"""`--commit`: exactly the files that a command wrote, by whom Git's variables name."""

import subprocess

import pytest

from provisioner.base.recovery_key import pair_of
from tests.example_terminal import git
from tests.unit.cli.test_plan import RELAY, Terminal, call  # noqa: F401 (the fixture)
from tests.unit.cli.test_recovery import die

PIPELINE = {
    "GIT_AUTHOR_NAME": "A pipeline",
    "GIT_AUTHOR_EMAIL": "ci@example.com",
    "GIT_COMMITTER_NAME": "A runner",
    "GIT_COMMITTER_EMAIL": "runner@example.com",
}
FACILITY = "facilities/bac-giang/kcl-bg-001.yml"
KEY = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LTAwMDE="
WORDS = (
    ("allocate",),
    ("keys", "init"),
    ("keys", "recovery"),
    ("sign-off", "kcl-bg-001", "--all-parties", "--source", "01/BB"),
    ("gateway", "set-key", "kcl-bg-001", KEY, "--replace"),
    ("secrets", "set", "kcl-bg-001/nvr-01", "--username", "another"),
    ("secrets", "forget", "kcl-bg-001/nvr-01"),
    ("hosts", "adopt", RELAY),
    ("relay", "restore", RELAY, "--allow", "trust=1"),
    ("relay", "replace", RELAY, "--allow", "trust=1"),
    ("import", "--write", "list.csv"),
)
LIST = """\
Mã cơ sở;Tỉnh;Xã;Tên cơ sở;Loại cơ sở;Cơ quan quản lý;Tình trạng
;Bắc Giang;Xã Hai;Trường THPT Ví Dụ 9;Trường học;UBND tỉnh;Đang hoạt động
"""


def last_commit(call: Terminal) -> tuple[str, str, list[str]]:  # noqa: F811
    """The persons and the files of the last commit."""
    argv = ["git", "log", "-1", "--format=%an <%ae>%n%cn <%ce>", "--name-only"]
    done = subprocess.run(argv, cwd=call.root, check=True, capture_output=True, text=True, timeout=30)
    author, committer, _, *files = done.stdout.splitlines()
    return author, committer, files


@pytest.fixture
def pipeline(call: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:  # noqa: F811
    """A checkout, and the variables of a pipeline: Git has no other names."""
    for name, value in (PIPELINE | {"HOME": str(call.root)}).items():
        monkeypatch.setenv(name, value)
    return call


def test_a_commit_has_the_written_files_alone_and_the_persons_of_the_pipeline(pipeline: Terminal) -> None:
    other = pipeline.file("README.md")
    other.write_text("not this command's\n", encoding="utf-8")
    before = pipeline.uncommitted()
    code, out, err = pipeline("gateway", "set-key", "kcl-bg-001", KEY, "--replace", "--commit")
    assert code == 0, err
    assert "committed as " in out
    assert out.splitlines()[-1].endswith("next: provisioner plan")
    assert last_commit(pipeline) == (
        "A pipeline <ci@example.com>",
        "A runner <runner@example.com>",
        [f"inventories/example/{FACILITY}"],
    )
    assert pipeline.uncommitted() == before
    code, out, _ = pipeline("gateway", "set-key", "kcl-bg-001", KEY, "--commit")
    assert (code, "committed" in out) == (0, False), "an unchanged file makes no commit"


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_no_file_is_written_where_no_commit_can_be_made(
    pipeline: Terminal, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.delenv("GIT_COMMITTER_EMAIL")
    before = pipeline.files()
    code, _, err = pipeline(*words, "--commit")
    assert (code, "Git does not know who you are" in err) == (2, True), err
    assert pipeline.files() == before


def test_made_keys_leave_a_clean_checkout_and_no_secret_in_the_clear(pipeline: Terminal) -> None:
    lock = pipeline.file("allocations.lock.yml")
    code, _, err = pipeline("keys", "recovery", "--commit")
    assert (code, pipeline.uncommitted()) == (0, ""), err
    code, _, err = pipeline("keys", "init", "--commit")
    assert (code, pipeline.uncommitted()) == (0, ""), err
    assert b"sealed_key" in lock.read_bytes()
    for name in last_commit(pipeline)[2]:
        stored = (pipeline.root / name).read_bytes()
        assert name.endswith("allocations.lock.yml") or stored.startswith(b"$ANSIBLE_VAULT;"), name
    git(pipeline.root, "rm", "-q", "--cached", str(lock))
    assert pipeline("sign-off", "kcl-bg-001", "--by", "dic", "--source", "02/BB", "--commit")[0] == 0
    assert last_commit(pipeline)[2] == [f"inventories/example/{FACILITY}"], "what is staged by others stays out"


def test_an_import_commits_the_sites_that_it_wrote_and_names_the_next_step(pipeline: Terminal) -> None:
    (pipeline.root / "list.csv").write_text(LIST, encoding="utf-8")
    before = pipeline.uncommitted()
    code, out, err = pipeline("import", "list.csv", "--language", "en", "--write", "--commit")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "next: provisioner facility next kcl-bg-004"
    assert last_commit(pipeline)[2] == ["inventories/example/facilities/bac-giang/kcl-bg-004.yml"]
    assert pipeline.uncommitted() == before
    assert "\ncommit " not in out, "no file is left to be committed"
    code, _, err = pipeline("import", "list.csv", "--commit")
    assert (code, "--commit are about --write" in err) == (2, True), "nothing would be written"


def test_a_replaced_relay_leaves_a_clean_checkout(pipeline: Terminal) -> None:
    host = die(pipeline)
    host.private_key = pair_of(b"the key that new hardware makes ").private_key.reveal()
    before = pipeline.uncommitted()
    words = ("relay", "replace", RELAY, "--allow", "trust=1")
    code, _, err = pipeline(*words, "--dry-run", "--commit")
    assert (code, "exclude each other" in err) == (2, True), err
    code, out, err = pipeline(*words, "--yes", "--commit")
    assert (code, pipeline.uncommitted()) == (0, before), err
    assert last_commit(pipeline)[2] == ["inventories/example/allocations.lock.yml"]
    assert "next: provisioner apply --limit host=" in out.splitlines()[-1]
