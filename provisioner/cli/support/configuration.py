"""The user's configuration file: defaults for unset environment variables.

It is read from the user's folder, never near an inventory: a proposed change could otherwise choose a reviewer's
history, key and password file.
"""

import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.files import read_regular
from provisioner.base.language import Language
from provisioner.base.text import did_you_mean, printable

VARIABLE: Final = "PROVISIONER_CONFIG"  #: Names another file; empty means no file.
OUTPUT: Final = "PROVISIONER_OUTPUT"
OUTPUTS: Final = ("text", "json")
_LARGEST = 2**16
_SHOWN = 80
_PATH_SHOWN = 400
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_VAULT: Final = ("ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_IDENTITY_LIST")


class _NotSuchAValueError(ValueError):
    """An invalid value; the text says what is valid."""


@dataclass(frozen=True)
class Setting:
    """A key of the file: its variable, and its text's function."""

    variable: str
    words: Callable[[object, Path], str]


def _text(value: object, _: Path) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _NotSuchAValueError("a text that is not empty")
    return value


def _allowed_text(allowed: tuple[str, ...], value: object, _: Path) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _NotSuchAValueError(" or ".join(f'"{word}"' for word in allowed))
    return value


def _path(value: object, folder: Path) -> str:
    return str(folder / Path(_text(value, folder)).expanduser())


def _state(value: object, folder: Path) -> str:
    return value if isinstance(value, str) and "://" in value and value.isprintable() else _path(value, folder)


def _switch(value: object, _: Path) -> str:
    if not isinstance(value, bool):
        raise _NotSuchAValueError("true or false")
    return "1" if value else ""


def _listed(separator: str, convert: Callable[[object, Path], str], value: object, folder: Path) -> str:
    if not isinstance(value, list) or any(separator in str(item) for item in value):
        raise _NotSuchAValueError(f"a list of texts without {separator!r}")
    return separator.join(convert(item, folder) for item in value)


def _vault_identity(value: object, folder: Path) -> str:
    label, at, file = _text(value, folder).partition("@")
    if not (label and at and file):
        raise _NotSuchAValueError('a list of texts such as "secrets@FILE"')
    return f"{label}@{_path(file, folder)}"


#: The keys of the file.
SETTINGS: Final[Mapping[str, Setting]] = {
    "inventory": Setting("PROVISIONER_INVENTORY", _path),
    "state": Setting("PROVISIONER_STATE", _state),
    "output": Setting(OUTPUT, partial(_allowed_text, OUTPUTS)),
    "language": Setting("PROVISIONER_LANGUAGE", partial(_allowed_text, tuple(language.value for language in Language))),
    "pager": Setting("PROVISIONER_PAGER", _text),
    "ssh_key": Setting("PROVISIONER_SSH_KEY", _path),
    "nodes": Setting("PROVISIONER_NODES", _path),
    "vault_password_file": Setting(_VAULT[0], _path),
    "vault_identities": Setting(_VAULT[1], partial(_listed, ",", _vault_identity)),
    "contacts": Setting("PROVISIONER_CONTACTS", _path),
    "artefacts": Setting("PROVISIONER_ARTEFACTS", partial(_listed, ":", _path)),
    "artefact_mirrors": Setting("PROVISIONER_ARTEFACT_MIRRORS", partial(_listed, ",", _text)),
    "receiver_hosts": Setting("PROVISIONER_RECEIVER_HOSTS", partial(_listed, ",", _text)),
    "record_key": Setting("PROVISIONER_RECORD_KEY", _path),
    "record_note": Setting("PROVISIONER_RECORD_NOTE", _switch),
}


@dataclass(frozen=True)
class Configuration:
    """The environment, with the user's file for unset variables."""

    caller: Mapping[str, str] = field(default_factory=dict, repr=False)
    file: Path | None = None
    #: By variable; a database's URL may hold a password.
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    language: Language = Language.EN  #: Of help and wrong usage, read before options are.
    wrong: UsageError | None = None  #: Why the file is not used; commands fail with it, help does not.

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """Both together; if one vault variable is set, the file sets neither."""
        has_vault = any(self.caller.get(name) for name in _VAULT)
        ours = {
            name: value
            for name, value in self.values.items()
            if not self.caller.get(name) and not (has_vault and name in _VAULT)
        }
        return {**self.caller, **ours}

    def source(self, variable: str) -> str:
        """Return the source of a variable's value, or empty."""
        if self.caller.get(variable):
            return variable
        return str(self.file) if self.environment.get(variable) else ""


def file_of(env: Mapping[str, str]) -> Path | None:
    """Return the file's path; `None` if disabled, or without a home."""
    if VARIABLE in env:
        return Path(env[VARIABLE]) if env[VARIABLE] else None
    if base := env.get("XDG_CONFIG_HOME"):
        return Path(base) / "provisioner/config.toml"
    return Path(env["HOME"]) / ".config/provisioner/config.toml" if env.get("HOME") else None


def read_configuration(env: Mapping[str, str]) -> Configuration:
    """Read the user's file, owned by the user alone; keep errors."""
    file = file_of(env)
    if file is None:
        return Configuration(env)
    try:
        data, status = read_regular(file, most=_LARGEST), file.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        return Configuration(env, wrong=_unreadable(file, error) if env.get(VARIABLE) else None)
    except OSError as error:
        return Configuration(env, wrong=_unreadable(file, error))
    try:
        _refuse_shared_file(file, status.st_mode, status.st_uid)
        return Configuration(env, file, dict(_setting_values(file, data, status.st_mode)))
    except UsageError as error:
        return Configuration(env, wrong=error)


def _unreadable(file: Path, error: OSError) -> UsageError:
    return UsageError(f"{printable(str(file), _PATH_SHOWN)} cannot be read: {error.strerror}", hint=_SEE)


def output_of(env: Mapping[str, str]) -> str:
    """Return the environment's output form, or raise `UsageError`."""
    named = env.get(OUTPUT) or OUTPUTS[0]
    if named not in OUTPUTS:
        hint = did_you_mean(named, OUTPUTS, f"it is {' or '.join(OUTPUTS)}")
        raise UsageError(f"{OUTPUT} names no form of output: {printable(named, _SHOWN)!r}", hint=hint)
    return named


_SEE = f"see the page on the configuration file; {VARIABLE}= (empty) goes without one"


def _refuse_shared_file(file: Path, mode: int, owner: int) -> None:
    if owner not in {0, os.geteuid()}:
        raise UsageError(f"{file} is somebody else's: it is not followed", hint="write one of your own")
    if mode & _OTHERS_WRITE:
        raise UsageError(f"{file} may be written by others than you", hint=f"take their right: chmod go-w {file}")


def _parsed_toml(file: Path, data: bytes) -> tuple[str, dict[str, object]]:
    try:
        text = data.decode()
        return text, tomllib.loads(text)
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8", hint="save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        detail = printable(str(error) or "nested too deeply", _SHOWN)
        raise UsageError(f"{file} is not TOML: {detail}", hint='a setting is a line such as language = "vi"') from None


def _setting_values(file: Path, data: bytes, mode: int) -> Iterator[tuple[str, str]]:
    text, document = _parsed_toml(file, data)
    for key, value in document.items():
        position, setting = f"{file}:{_line_of(text, key)}", SETTINGS.get(key)
        if setting is None:
            hint = did_you_mean(key, SETTINGS, f"the settings are {', '.join(SETTINGS)}")
            raise UsageError(f"{position}: there is no setting {printable(key, _SHOWN)!r}", hint=hint)
        try:
            value_text = setting.words(value, file.parent)
        except _NotSuchAValueError as error:
            raise UsageError(f"{position}: {key} is {error}", hint=_SEE) from None
        if "://" in value_text and mode & (stat.S_IRGRP | stat.S_IROTH):
            hint = f"a URL may hold a password; take the others' right: chmod go= {file}"
            raise UsageError(f"{position}: {key} is a URL, and the file may be read by others than you", hint=hint)
        yield setting.variable, value_text


def _line_of(text: str, key: str) -> int:
    """Return a key's line, or 1 if not found."""
    lines = text.splitlines()
    start = re.compile(rf"\s*[\[\"']*{re.escape(key)}\b")
    return next((number for number, line in enumerate(lines, 1) if start.match(line)), 1)
