"""Receivers' secrets; a problem has a position and never a value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from provisioner.base.errors import RECEIVERS, Problem, Severity
from provisioner.base.files import read_regular
from provisioner.base.secret import Secret
from provisioner.base.text import msg
from provisioner.base.vault import Opener, VaultPasswords, is_encrypted, vault_id_of
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.layout import RECEIVERS_SECRETS, File
from provisioner.inventory.files.positions import KeyPath, Places, SourceFile
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.receivers import Receiver, ReceiverSecrets, VaultedReceivers
from provisioner.inventory.rules.receivers import secret_faults_of

SHORTEST_KEY: Final = 32  #: Minimum length of a key in characters. A reader of one notice could guess a shorter key.
_MOST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class ReceiversVault:
    """Content of `secrets/receivers.yml`; `shut` says why it was not opened."""

    secrets: Mapping[str, ReceiverSecrets] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    source: SourceFile | None = field(default=None, repr=False)
    shut: str = ""

    @property
    def editing(self) -> str:
        """The command that opens the file in an editor, or creates it."""
        create = "ansible-vault create --vault-id secrets@FILE --encrypt-vault-id secrets"
        return f"{'ansible-vault edit' if self.source else create} {RECEIVERS_SECRETS}.yml"


def open_receivers(root: Path, passwords: VaultPasswords) -> ReceiversVault:
    """Open the receivers' secrets, empty without a file, or raise `SecretsError`."""
    file = File(root, f"{RECEIVERS_SECRETS}.yml", RECEIVERS_SECRETS, None)
    try:
        data = read_regular(file.path, most=_MOST_BYTES)
    except FileNotFoundError:
        return ReceiversVault()
    except OSError as error:
        message = f"{RECEIVERS_SECRETS}: the file cannot be read: {error.strerror}"
        return ReceiversVault(problems=(_problem(file, "file-unreadable", message, "correct its permissions"),))
    if not is_encrypted(data):
        return ReceiversVault()  # `load` reports it: that needs no password
    opened = Opener(passwords).opened(data, name=file.display_path)
    if opened is None:
        vault_id = vault_id_of(data)
        return ReceiversVault(shut=f"{RECEIVERS_SECRETS} stayed shut: it is encrypted for the vault id {vault_id}")
    return _receivers_in(file, SourceFile(file.display_path, opened))


def _receivers_in(file: File, source: SourceFile) -> ReceiversVault:
    document = parse(source.data, max_bytes=_MOST_BYTES)
    if document.faults:
        faults = (
            replace(f, file=file.display_path, message=f"{file.owner}: {f.message}", object=RECEIVERS)
            for f in document.faults
        )
        return ReceiversVault(problems=tuple(faults), source=source)
    try:
        model = validated(VaultedReceivers, document.value)
    except ValidationError as error:
        subject = ParsedFile(source, RECEIVERS_SECRETS, document.value, VaultedReceivers, secret=True)
        return ReceiversVault(
            problems=tuple(replace(problem, object=RECEIVERS) for problem in problems_of(error, subject)), source=source
        )
    return ReceiversVault(model.receivers, source=source)


def _problem(file: File, code: str, message: str, hint: str) -> Problem:
    return Problem(file.display_path, 0, 0, code, message, hint, RECEIVERS)


def check_receivers(receivers: tuple[Receiver, ...], vault: ReceiversVault, places: Places) -> tuple[Problem, ...]:
    """Check receivers against their secrets; return problems sorted by position."""
    if vault.shut:
        position = places.at(RECEIVERS)
        hint = "add its vault id to ANSIBLE_VAULT_IDENTITY_LIST to check it as well"
        message = f"{vault.shut}, and was not checked"
        shut = Problem(position.file, 0, 0, "secrets-shut", message, hint, RECEIVERS, Severity.WARNING)
        return (shut,) if receivers else ()
    if vault.problems:
        return vault.problems
    return tuple(
        sorted(
            [
                *_missing_secret_problems(receivers, vault, places),
                *_unfit_secret_problems(vault),
                *_unused(receivers, vault),
            ]
        )
    )


def faults_in_vault(receiver: Receiver, secrets: ReceiverSecrets | None) -> Iterator[tuple[str, str]]:
    """Yield faults of a receiver's secrets, each with the value to write."""
    yield from secret_faults_of(receiver, _names_in(secrets))
    for _, message, hint in _unfit_values(secrets or ReceiverSecrets()):
        yield message, hint


def _names_in(secrets: ReceiverSecrets | None) -> Iterator[str]:
    return (name for name, value in secrets or () if value)


def _missing_secret_problems(
    receivers: tuple[Receiver, ...], vault: ReceiversVault, places: Places
) -> Iterator[Problem]:
    for index, receiver in enumerate(receivers):
        for message, content in secret_faults_of(receiver, _names_in(vault.secrets.get(receiver.id))):
            position = places.at(RECEIVERS, RECEIVERS, index)
            hint = msg("{command}: write {content} below receivers, {receiver}", vault.editing, content, receiver.id)
            text = f"receivers: receiver {receiver.id}: {message}"
            yield Problem(*position, "receiver-secret-missing", text, hint, RECEIVERS)


def _unfit_secret_problems(vault: ReceiversVault) -> Iterator[Problem]:
    for name, secrets in vault.secrets.items():
        for path, message, hint in _unfit_values(secrets):
            text = f"{RECEIVERS_SECRETS}: receiver {name}: {message}"
            yield _placed(vault, (RECEIVERS, name, *path), "receiver-secret-unfit", text, hint)


def _unfit_values(secrets: ReceiverSecrets) -> Iterator[tuple[KeyPath, str, str]]:
    if secrets.key is not None and len(secrets.key.reveal()) < SHORTEST_KEY:
        yield ("key",), f"its key has fewer than {SHORTEST_KEY} characters", "make one: openssl rand -hex 32"
    named = [(("addresses", index), address) for index, address in enumerate(secrets.addresses)]
    listed: list[tuple[KeyPath, Secret]] = [*named, *([(("sender",), secrets.sender)] if secrets.sender else [])]
    for path, address in listed:
        if not is_plain_address(address.reveal()):
            message = f"{path[0]}: a value is no plain e-mail address (it is not repeated here)"
            yield path, message, "write one address alone, without a name, e.g. noc@HOST"


def is_plain_address(text: str) -> bool:
    """Return whether a text is one bare e-mail address, safe in headers."""
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 (it takes its time)

    try:
        address = validate_email(text, check_deliverability=False, globally_deliverable=False, allow_smtputf8=False)
    except EmailNotValidError:
        return False
    return address.normalized.casefold() == text.casefold()


def _unused(receivers: tuple[Receiver, ...], vault: ReceiversVault) -> Iterator[Problem]:
    for name in sorted(vault.secrets.keys() - {receiver.id for receiver in receivers}):
        text, hint = f"{RECEIVERS_SECRETS}: {name} is no receiver of receivers.yml", "remove it, or correct the id"
        yield _placed(vault, (RECEIVERS, name), "receiver-secret-unused", text, hint, severity=Severity.WARNING)


def _placed(
    vault: ReceiversVault, path: KeyPath, code: str, text: str, hint: str, *, severity: Severity = Severity.ERROR
) -> Problem:
    position = vault.source.at(path, key=severity is Severity.WARNING) if vault.source else None
    file, line, column = position or ("", 0, 0)
    return Problem(file, line, column, code, text, hint, RECEIVERS, severity)
