"""The user's own configuration file: what it stands in for, what counts before it, and whose it may be."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.cli.main import run
from provisioner.cli.support.configuration import SETTINGS, Configuration, read_configuration
from tests import inventories as make
from tests.unit.docs.pages import fences, section, text_of

EXAMPLE = Path(__file__).parents[3] / "inventories/example"
Home = Callable[..., dict[str, str]]
_VAULT = ("ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_IDENTITY_LIST")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An environment whose home has such a configuration file."""

    def write(text: str, mode: int = 0o600, **more: str) -> dict[str, str]:
        file = tmp_path / ".config/provisioner/config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        return {"HOME": str(tmp_path), "PROVISIONER_NO_CACHE": "1", **more}

    return write


def test_a_file_names_the_inventory_the_language_and_the_output(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    env = home(f'inventory = "{EXAMPLE}"\nlanguage = "vi"\n')
    assert run(["validate"], env) == 0
    assert "hợp lệ: 3 tỉnh" in capsys.readouterr().out
    assert run(["validate"], home(f'inventory = "{EXAMPLE}"\noutput = "json"\n')) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "provisioner/validate"


def test_an_option_counts_before_the_environment_and_that_before_the_file(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = home('inventory = "/nowhere"\nlanguage = "vi"\noutput = "json"\n', PROVISIONER_LANGUAGE="en")
    assert run(["validate", "-i", str(EXAMPLE), "--output", "text"], env) == 0
    assert "valid: 3 provinces" in capsys.readouterr().out
    assert run(["validate", "--output", "text", "--language", "vi"], env | {"PROVISIONER_INVENTORY": str(EXAMPLE)}) == 0
    assert "hợp lệ: 3 tỉnh" in capsys.readouterr().out
    assert run(["validate", "--output", "text"], env | {"PROVISIONER_INVENTORY": str(tmp_path / "none")}) == 3
    assert "none" in capsys.readouterr().err


@given(
    st.dictionaries(st.sampled_from([s.variable for s in SETTINGS.values()]), st.text(max_size=3)),
    st.dictionaries(st.sampled_from([s.variable for s in SETTINGS.values()]), st.text(min_size=1, max_size=3)),
)
def test_what_is_set_in_the_environment_stays(env: dict[str, str], values: dict[str, str]) -> None:
    merged = Configuration(env, Path("file"), values).environment
    assert all(merged[name] == value for name, value in env.items() if value)
    new = {name for name in merged if merged[name] != env.get(name)}
    assert new <= values.keys()
    if any(env.get(name) for name in _VAULT):
        assert not new & set(_VAULT), "two passwords of which nobody knows which one counts"


def test_places_are_those_beside_the_file_or_in_the_home(home: Home, tmp_path: Path) -> None:
    text = (
        'inventory = "sites"\nstate = "/srv/state"\nvault_identities = ["secrets@keys/one", "contacts-bg@/two"]\n'
        'artefacts = ["/srv/artefacts", "more"]\nartefact_mirrors = ["a.example.com", "b.example.com"]\n'
        "record_note = true\n"
    )
    folder = tmp_path / ".config/provisioner"
    assert read_configuration(home(text)).values == {
        "PROVISIONER_INVENTORY": str(folder / "sites"),
        "PROVISIONER_STATE": "/srv/state",
        "ANSIBLE_VAULT_IDENTITY_LIST": f"secrets@{folder}/keys/one,contacts-bg@/two",
        "PROVISIONER_ARTEFACTS": f"/srv/artefacts:{folder}/more",
        "PROVISIONER_ARTEFACT_MIRRORS": "a.example.com,b.example.com",
        "PROVISIONER_RECORD_NOTE": "1",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'language = "en"\nlangage = "vi"\n',
            "config.toml:2: there is no setting 'langage'\nhint: did you mean language?",
        ),
        ('\noutput = "jsn"\n', 'config.toml:2: output is "text" or "json"'),
        ("inventory = 3\n", "config.toml:1: inventory is a text"),
        ('artefacts = "/srv"\n', "config.toml:1: artefacts is a list of texts"),
        (
            'vault_identities = ["secrets"]\n',
            'config.toml:1: vault_identities is a list of texts such as "secrets@FILE"',
        ),
        ("record_note = 1\n", "config.toml:1: record_note is true or false"),
        ("[inventory]\nid = 1\n", "config.toml:1: inventory is a text"),
        ("language = \n", "config.toml is not TOML"),
        ("a = " + "[" * 9000, "config.toml is not TOML"),
        ('state = "\\u001b[2J"\n', "config.toml:1: state is a text"),
    ],
    ids=lambda value: value[:12].strip(),
)
def test_what_is_wrong_is_named_with_its_line_and_nothing_is_done(
    home: Home, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", "-i", str(EXAMPLE)], home(text)) == 2
    out, err = capsys.readouterr()
    assert (out, words in err, "hint: " in err, "\x1b" in err) == ("", True, True, False)


def test_help_and_version_need_no_file_that_is_right(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    env = home("][")
    assert run(["--version"], env) == run(["plan", "--help"], env) == 0
    assert "Usage" in capsys.readouterr().out
    assert run(["config"], env) == 2


def test_a_file_that_others_may_write_is_not_followed(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config"], home('language = "vi"\n', 0o620)) == 2
    assert "chmod go-w" in capsys.readouterr().err


def test_a_databases_url_is_hidden_and_its_file_the_owners_own(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    url = 'state = "postgresql://noc:c4nary-word@db.example.com/x"\n'
    assert run(["config"], home(url, 0o644)) == 2
    assert run(["config"], home(url)) == 0
    assert run(["config", "--output", "json"], home(url)) == 0
    out, err = capsys.readouterr()
    assert ("chmod go=" in err, "a database (its URL is not shown)" in out, "c4nary" in out + err) == (
        True,
        True,
        False,
    )


def test_a_file_that_git_has_in_the_checkout_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path / "inventory", {})
    file = make.write_files(root, {"config.toml": b'state = "/srv/state"\n'}) / "config.toml"
    file.chmod(0o600)
    env = {"PROVISIONER_CONFIG": str(file), "HOME": str(tmp_path)}
    subprocess.run(["git", "init", "-q", str(root)], check=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    subprocess.run(
        ["git", "-C", str(root), "add", "-A"], check=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    )
    assert run(["validate", "-i", str(root)], env) == 2
    assert "whoever proposes a change would choose what it says" in capsys.readouterr().err


def test_a_file_that_is_named_has_to_be_there_and_an_empty_name_means_none(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config"], home("][") | {"PROVISIONER_CONFIG": ""}) == 0
    assert run(["config"], {"PROVISIONER_CONFIG": str(tmp_path / "none.toml")}) == 2
    assert "none.toml cannot be read" in capsys.readouterr().err


def test_what_is_set_and_where_is_shown(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = home('state = "/srv/state"\nssh_key = "~/key"\n', PROVISIONER_STATE="/other")
    assert run(["config", "--output", "json"], {**env}) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    file = str(tmp_path / ".config/provisioner/config.toml")
    rows = {row["setting"]: (row["value"], row["from"]) for row in shown["settings"]}
    assert (shown["file"], shown["exists"], list(rows)) == (file, True, list(SETTINGS))
    assert rows["state"] == ("/other", "PROVISIONER_STATE")
    assert rows["ssh_key"] == (str(Path("~/key").expanduser()), file)
    assert rows["contacts"] == ("", "")
    assert run(["config"], {"HOME": "/nowhere"}) == 0
    assert capsys.readouterr().out.startswith("file: /nowhere/.config/provisioner/config.toml, which is not there\n")


def test_the_page_has_every_setting_and_its_file_is_one(home: Home) -> None:
    written = section(text_of("docs/reference/commands.md"), "Configuration file")
    rows = re.findall(r"^\| `(\w+)`[^|]*\| `(\w+)` \|$", written, re.MULTILINE)
    assert rows == [(name, setting.variable) for name, setting in SETTINGS.items()]
    [file] = [fence for fence in fences(written) if fence.language == "toml"]
    assert len(read_configuration(home("\n".join(file.lines))).values) == len(file.lines)
