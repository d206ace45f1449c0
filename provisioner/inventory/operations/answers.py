"""The answers of `init` out of a file: what its options would have said, each with its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.base.private_text import is_private
from provisioner.base.regular_file import read_regular
from provisioner.inventory.files.positions import KeyPath, Marks
from provisioner.inventory.files.strict_yaml import parse

EXAMPLE: Final = """\
# The answers of `provisioner init DIR --from FILE`: each is the option of its name, and an option that is written on
# the command line counts before it. No password belongs here: it is made, and lies where vault-password says.

# The inventory's id, frozen from then on; the folder's name if left out.
id: first
# Carriers: an id, and what it is called. The first one has the relays that name none.
carrier:
  viettel: Viettel
# The list of provinces that slugs are of, and who serves each province.
scheme: gso-2025
province:
  bac-ninh: viettel
# The document that designates the carriers, and since when; today if left out.
source: Annex 1
since: 2025-07-01
# From where SSH to the hosts comes.
management:
  - 198.51.100.0/27
# Who logs in on the hosts: a normal user with sudo.
user: deploy
# ID@ADDRESS or ID@ADDRESS:PORT; relays of other carriers as CARRIER/ID@ADDRESS.
centre: centre-hn@203.0.113.31
centre-name: Monitoring centre
relay:
  - relay-1@203.0.113.11
# The SSH key that each host shows, or its fingerprint: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, on the host.
host-key:
  centre-hn: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLxxTLNWIvTOqfEHsYPptl1mrfK9Gmz7ymtR1zfHdv5
  relay-1: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmpfCFrQd8eV0TDJQR7IXpTvAkybmvA/FpUVmrfF2mI
# Where the vault's password lies; beside your configuration file if left out.
# vault-password: /etc/provisioner/vault/first
# MediaMTX, if not the release that this program knows.
# mediamtx-version: 1.20.1
# mediamtx-source: release
# mediamtx-sha256:
#   amd64: 64 hexadecimal digits
"""
_LARGEST: Final = 1024 * 1024
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class OptionAnswer:
    """What an option would have said.

    Attributes:
        values: each as it would stand behind the option.
        places: where each stands.
    """

    values: tuple[str, ...]
    places: tuple[str, ...]


def read_answers(path: Path, known: Collection[str]) -> dict[str, OptionAnswer]:
    """Read a file of answers: by the option that each stands for.

    Args:
        path: the file.
        known: the options that there are, without their dashes.

    Raises:
        UsageError: it cannot be read, is no YAML, or says something that no option does; with file and line.
    """
    try:
        data = read_regular(path, most=_LARGEST)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="name a file of answers") from None
    document = parse(data, marks=True)
    if document.faults:
        fault = document.faults[0]
        raise UsageError(f"{path}:{fault.line}:{fault.column}: {fault.message}", hint=fault.hint)
    if not isinstance(document.value, dict):
        raise UsageError(f"{path}:1:1: no answers", hint="provisioner init --print-answers prints an example")
    reader = _Reader(path, Marks(document.values, document.keys))
    return {key: reader.answer(key, value, known) for key, value in document.value.items()}


def place_of(answers: Mapping[str, OptionAnswer], message: str) -> str:
    """The place of the answer that a message is about: the longest one that it repeats; empty where it repeats none."""
    named = (
        (len(part), place)
        for answer in answers.values()
        for value, place in zip(answer.values, answer.places, strict=True)
        for part in {value, *value.replace("=", "@").replace("/", "@").split("@")}
        if part and part in message
    )
    return max(named, default=(0, ""))[1]


@dataclass(frozen=True)
class _Reader:
    """Values of one file, as the command line would have them."""

    path: Path
    marks: Marks

    def answer(self, key: str, value: object, known: Collection[str]) -> OptionAnswer:
        if key not in known:
            shown = "that key" if is_private(key) else repr(printable(key, _SHOWN))
            hint = did_you_mean(key, known, f"there are {', '.join(sorted(known))}")
            raise UsageError(f"{self._place((key,), key=True)}: init has no option {shown}", hint=hint)
        pairs: list[tuple[str, KeyPath]]
        if isinstance(value, dict):
            pairs = [(f"{name}={self._text((key, name), one)}", (key, name)) for name, one in value.items()]
        elif isinstance(value, list):
            pairs = [(self._text((key, number), one), (key, number)) for number, one in enumerate(value)]
        else:
            pairs = [(self._text((key,), value), (key,))]
        return OptionAnswer(tuple(text for text, _ in pairs), tuple(self._place(path, key=True) for _, path in pairs))

    def _text(self, path: KeyPath, value: object) -> str:
        if isinstance(value, str) and value and value.isprintable():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        hint = "write it as it would stand behind the option, in quotes"
        raise UsageError(f"{self._place(path)}: {path[0]} is a text, or a list of texts", hint=hint)

    def _place(self, path: KeyPath, *, key: bool = False) -> str:
        mark = self.marks.nearest(path, key=key)
        return f"{self.path}:{mark.line}:{mark.column}"
