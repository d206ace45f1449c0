"""The file of an agent: what it may say, and how each mistake is named."""

from pathlib import Path

import pytest

from provisioner.base.errors import UsageError
from provisioner.operations.agent.settings import is_remote, read_agent_settings

LEAST = 'inventory = "vn"\nremote = "https://git.example.com/noc/inventory.git"\nsigners = "allowed-signers"\n'
OVER_SSH = 'inventory = "vn"\nremote = "git@git.example.com:noc/inventory.git"\nsigners = "allowed-signers"\n'


def test_files_lie_beside_it_and_all_else_has_its_usual_value() -> None:
    settings = read_agent_settings(LEAST, "/etc/provisioner/agent.toml")
    assert settings.signers == Path("/etc/provisioner/allowed-signers")
    assert (settings.branch, settings.each, settings.goes_back, settings.forge) == ("main", False, False, None)
    told = (
        '[forge]\nkind = "gitlab"\nurl = "https://gitlab.example.com/api/v4"\nproject = "noc/inventory"\ntoken = "t"\n'
    )
    settings = read_agent_settings(LEAST + told, "/etc/provisioner/agent.toml")
    assert settings.forge_token == Path("/etc/provisioner/t")


@pytest.mark.parametrize("branch", ["main", "release-1.2", "noc/2021.5-night", "v1.lock.x"])
def test_a_branch_is_called_as_branches_are(branch: str) -> None:
    assert read_agent_settings(f'{LEAST}branch = "{branch}"', "agent.toml").branch == branch


CASES = {
    "no TOML": ("inventory: vn", "write it in TOML"),
    "unknown": (LEAST + 'brunch = "main"', "did you mean branch?"),
    "missing": ('inventory = "vn"', "remote is missing"),
    "no text": (LEAST + "branch = 1", "branch is no text"),
    "empty": (LEAST + 'branch = ""', "branch is no text"),
    "no switch": (LEAST + 'goes_back = "yes"', "goes_back is neither true nor false"),
    "too often": (LEAST + "remote_every = 1", "write one from 5 to 86400"),
    "a yes for a number": (LEAST + "remote_every = true", "remote_every is no number"),
    "no id": (LEAST.replace('"vn"', '"../vn"'), "inventory is no inventory's id"),
    "no branch": (LEAST + 'branch = "--upload-pack=x"', "branch is no branch's name"),
    "a branch that is a pair": (LEAST + 'branch = "a:b"', "branch is no branch's name"),
    "a branch that goes up": (LEAST + 'branch = "a/../b"', "branch is no branch's name"),
    "a branch that is a lock": (LEAST + 'branch = "a.lock"', "branch is no branch's name"),
    "a branch of a pattern": (LEAST + 'branch = "release-*"', "branch is no branch's name"),
    "SSH without a key": (OVER_SSH, "ssh_key is missing"),
    "SSH with somebody's known hosts": (OVER_SSH + 'ssh_key = "k"', "known_hosts is missing"),
    "a folder outside": (LEAST + 'folder = "../x"', "folder is none of the repository"),
    "Git's own": (LEAST + 'folder = "x/.git"', "folder is none of the repository"),
    "no rule": (LEAST + 'signed = "none"', "signed says nothing"),
    "a hook without a place": (LEAST + 'webhook_secret = "s"', "listen is not"),
    "half a forge": (LEAST + '[forge]\nkind = "gitlab"', "[forge] has no project"),
    "a forge's token": (LEAST + '[forge]\npassword = "x"', "password is no setting of [forge]"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_what_to_do(case: str) -> None:
    text, said = CASES[case]
    with pytest.raises(UsageError) as caught:
        read_agent_settings(text, "/etc/provisioner/agent.toml")
    assert said in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.message.startswith("/etc/provisioner/agent.toml")


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("https://git.example.com/noc/inventory.git", True),
        ("ssh://git@git.example.com:2222/noc/inventory.git", True),
        ("git@git.example.com:noc/inventory.git", True),
        ("/srv/git/inventory.git", True),
        ("http://127.0.0.1:8000/noc/inventory.git", True),
        ("http://git.example.com/noc/inventory.git", False),
        ("https://noc:secret@git.example.com/inventory.git", False),
        ("ext::sh -c touch% /tmp/x", False),
        ("file:///srv/git", False),
        ("-oProxyCommand=x", False),
        ("ssh://-oProxyCommand=x/y", False),
        ("git@-oProxyCommand:x", False),
        ("/srv/../etc", False),
        ("inventory.git", False),
    ],
)
def test_a_remote_is_encrypted_names_no_login_and_no_program(address: str, *, may: bool) -> None:
    assert is_remote(address) is may
