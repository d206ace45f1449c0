"""The settings of an agent, and the proof of its webhook. Pure.

A webhook only wakes the agent; its content is not used. GitHub and Forgejo sign the body (HMAC-SHA-256), GitLab sends
the secret itself.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, NoReturn

from provisioner.base.errors import UsageError
from provisioner.base.git_remote import is_reference
from provisioner.base.secret import Secret
from provisioner.base.service import toml_settings
from provisioner.base.text import canonical_text, checked_url, printable
from provisioner.integrations.forge.client import ForgeProject, project_of

PATH: Final = "/hook"
MOST_BODY: Final = 1024 * 1024
SIGNATURES: Final = ("HTTP_X_HUB_SIGNATURE_256", "HTTP_X_GITEA_SIGNATURE", "HTTP_X_FORGEJO_SIGNATURE")
TOKEN: Final = "HTTP_X_GITLAB_TOKEN"  # noqa: S105 (a header's name)
_PREFIX: Final = "sha256="
_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SCP: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9_/~][A-Za-z0-9._/~-]*")
_SSH: Final = re.compile(
    r"ssh://[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?/[A-Za-z0-9._/~-]+"
)
_TEXTS: Final = {
    "inventory", "remote", "branch", "folder", "signers", "signed", "ssh_key", "known_hosts", "git_user", "git_token",
    "listen", "webhook_secret", "name",
}  # fmt: skip
_NUMBERS: Final = {"remote_every": (5, 86_400), "hosts_every": (60, 86_400), "proof_deadline": (30, 7200)}
_SWITCHES: Final = {"goes_back", "notes"}
_FILES: Final = ("signers", "ssh_key", "known_hosts", "git_token", "webhook_secret")
_REQUIRED: Final = ("inventory", "remote", "signers")
_FORGE: Final = {"kind", "url", "project", "token"}
_KNOWN: Final = _TEXTS | set(_NUMBERS) | _SWITCHES | {"forge"}
_SIGNED: Final = ("tip", "each")
_SHOWN_TEXT: Final = 80
_EXAMPLE: Final = (
    'e.g. inventory = "vn", remote = "https://git.example.com/noc/inventory.git", signers = "allowed-signers"'
)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """An agent's branch, signers and reports."""

    inventory: str  #: Its id; commits with another inventory are refused.
    remote: str
    signers: Path
    branch: str = "main"
    folder: str = ""  #: The inventory's folder in the repository; empty for the top.
    each: bool = False  #: Whether each new commit must be signed, or only the newest.
    goes_back: bool = False  #: Whether the branch may go behind the reached commit, or be rewritten.
    remote_every: int = 60  #: Seconds between reads of the remote.
    hosts_every: int = 900  #: Seconds between reads of hosts.
    proof_deadline: int = 600
    notes: bool = True  #: Whether to push commits' states as Git notes.
    listen: str = ""  #: The address for metrics and webhook, or empty.
    webhook_secret: Path | None = None
    ssh_key: Path | None = None  #: For a remote over SSH.
    known_hosts: Path | None = None  #: For a remote over SSH.
    git_user: str = "provisioner"  #: For a remote over HTTP.
    git_token: Path | None = None  #: File with the password for a remote over HTTP.
    forge: ForgeProject | None = None  #: The forge to report to, if any.
    forge_token: Path | None = None  #: The file with its token.
    name: str = "provisioner/agent"

    def rules(self, signers: str) -> str:
        """Return the digest of all that a refusal depends on."""
        parts = [self.inventory, self.remote, self.branch, self.folder, self.each, self.goes_back, signers]
        return "sha256:" + hashlib.sha256(canonical_text(parts).encode()).hexdigest()


def is_genuine(headers: Mapping[str, object], body: bytes, secret: Secret) -> bool:
    """Return whether the sender of a body knows the secret."""
    key = secret.reveal().encode()
    expected = hmac.new(key, body, hashlib.sha256).hexdigest().encode()
    signed = [str(headers[name]).removeprefix(_PREFIX) for name in SIGNATURES if name in headers]
    # Every comparison takes as long as any other, and all are made.
    matches = [hmac.compare_digest(signature.encode("utf-8", "replace"), expected) for signature in signed]
    if TOKEN in headers:
        digest = hashlib.sha256(str(headers[TOKEN]).encode("utf-8", "replace")).digest()
        matches.append(hmac.compare_digest(digest, hashlib.sha256(key).digest()))
    return any(matches)


def read_agent_settings(text: str, file: str) -> AgentSettings:
    """Parse settings with file names relative to the folder, or raise `UsageError`."""
    values = toml_settings(text, file, _KNOWN, _EXAMPLE)
    _refuse_wrong_types(values, file)
    for name in _REQUIRED:
        if name not in values:
            _refuse(f"{file}: {name} is missing", f"write it, {_EXAMPLE}")
    _refuse_wrong_values(values, file)
    folder = Path(file).absolute().parent
    fields = {name: value for name, value in values.items() if name not in {*_FILES, "forge", "signed"}}
    fields |= {name: folder / values[name] for name in _FILES if name in values}
    if "forge" in values:
        fields |= _forge_settings(values["forge"], file, folder)
    return AgentSettings(**fields, each=values.get("signed", _SIGNED[0]) == "each")


def _refuse_wrong_types(values: Mapping[str, object], file: str) -> None:
    for name, value in values.items():
        if name in _TEXTS and (not isinstance(value, str) or not value or not value.isprintable()):
            _refuse(f"{file}: {name} is no text", f"write it in quotes, {_EXAMPLE}")
        if name in _SWITCHES and not isinstance(value, bool):
            _refuse(f"{file}: {name} is neither true nor false", f"write {name} = true, or false")
        if name in _NUMBERS:
            least, most = _NUMBERS[name]
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                _refuse(f"{file}: {name} is no number of seconds", f"write one from {least} to {most}")


def _refuse_wrong_values(values: Mapping[str, str], file: str) -> None:
    if not _ID.fullmatch(values["inventory"]):
        _refuse(f"{file}: inventory is no inventory's id", "write the id that stands in its inventory.yml")
    if not is_reference(f"refs/heads/{values.get('branch', 'main')}"):
        _refuse(f"{file}: branch is no branch's name", 'write it without refs/heads/, e.g. branch = "main"')
    folder = PurePosixPath(values.get("folder", "."))
    if folder.is_absolute() or ".." in folder.parts or ".git" in folder.parts:
        _refuse(f"{file}: folder is none of the repository", 'write it from its top, e.g. folder = "live/vn"')
    if values.get("signed", _SIGNED[0]) not in _SIGNED:
        _refuse(f"{file}: signed says nothing", 'write signed = "tip", or signed = "each"')
    if not is_remote(values["remote"]):
        hint = (
            "write https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH or an absolute path; no login stands in it"
        )
        _refuse(f"{file}: remote is no address of a Git remote", hint)
    is_ssh = values["remote"].startswith("ssh://") or _SCP.fullmatch(values["remote"])
    if is_ssh and (lacking := [name for name in ("ssh_key", "known_hosts") if name not in values]):
        hint = "write the file, beside this one or whole: no key of the machine's users is taken"
        _refuse(f"{file}: the remote is reached over SSH, and {lacking[0]} is missing", hint)
    if "webhook_secret" in values and "listen" not in values:
        _refuse(f"{file}: webhook_secret is there and listen is not", 'write where it listens, e.g. listen = "9465"')


def _forge_settings(table: object, file: str, folder: Path) -> dict[str, object]:
    if not isinstance(table, dict) or not all(isinstance(entry, str) and entry for entry in table.values()):
        _refuse(f"{file}: forge is no table of texts", "write [forge] and below it kind, url, project and token")
    if unknown := sorted(set(table) - _FORGE):
        _refuse(
            f"{file}: {printable(unknown[0], _SHOWN_TEXT)} is no setting of [forge]",
            f"they are {', '.join(sorted(_FORGE))}",
        )
    if lacking := sorted(_FORGE - set(table)):
        _refuse(f"{file}: [forge] has no {lacking[0]}", "write kind, url, project and token (a file)")
    forge = project_of({}, kind=table["kind"], url=table["url"], project=table["project"])
    return {"forge": forge, "forge_token": folder / table["token"]}


def _refuse(message: str, hint: str) -> NoReturn:
    raise UsageError(message, hint=hint)


def is_remote(text: str) -> bool:
    """Return whether a text is an encrypted or local remote without login."""
    if text.startswith("/"):
        return ".." not in PurePosixPath(text).parts
    if "://" not in text:
        return _SCP.fullmatch(text) is not None
    if text.startswith("ssh://"):
        return _SSH.fullmatch(text) is not None
    try:
        checked_url(text)
    except ValueError:
        return False
    return True
