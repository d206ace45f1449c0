"""When the newest approval was given of what a node carried to each host: nothing that is older comes after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from provisioner.base.atomic_file import replace_file
from provisioner.base.errors import StateError
from provisioner.base.regular_file import read_regular
from provisioner.nodes.approved_changes import ApprovalRules, approval_verdict
from provisioner.nodes.unit import CarriedCall
from provisioner.plan.guards.approval_file import moment_text

_MOST_BYTES: Final = 16 * 1024 * 1024
_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"


class ApprovedMoments(Mapping[str, datetime]):
    """By host id, the moment; what is added is on the disk before anything is carried for it.

    Args:
        file: where they stand, a line each.

    Raises:
        StateError: it cannot be read, or holds what the node never wrote: a plan of before would count again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            lines = read_regular(file, most=_MOST_BYTES).decode().splitlines() if file.exists() else []
            self._moments = {host: _moment(at) for host, _, at in (line.partition(" ") for line in lines)}
        except OSError as error:
            raise StateError(f"{file} cannot be read: {error.strerror}", hint="see that it is the node's own") from None
        except ValueError:
            hint = "its people look who wrote to it; without the file, approvals of before count again for their hours"
            raise StateError(f"{file} is damaged: which approvals were used is not known", hint=hint) from None

    def __getitem__(self, host: str) -> datetime:
        return self._moments[host]

    def __iter__(self) -> Iterator[str]:
        return iter(self._moments)

    def __len__(self) -> int:
        return len(self._moments)

    def add(self, host: str, at: datetime) -> None:
        """Write down a host's moment.

        Raises:
            StateError: it cannot be written.
        """
        if self._moments.get(host) == at:
            return
        moments = self._moments | {host: at}
        try:
            text = "".join(f"{one} {moment_text(moment)}\n" for one, moment in sorted(moments.items()))
            replace_file(self._file, text.encode())
        except OSError as error:
            hint = "nothing is changed without it: see that the disk has room and that the folder is the node's own"
            raise StateError(f"{self._file} cannot be written: {error.strerror}", hint=hint) from None
        self._moments = moments


class NodeApprovals:
    """The approvals that a node asks for, and those that it has used.

    Args:
        rules: whose it asks for.
        moments: when those were given that it used last.
    """

    def __init__(self, rules: ApprovalRules, moments: ApprovedMoments) -> None:
        self._rules, self._moments = rules, moments
        self._lock = threading.Lock()

    def refusal(self, call: CarriedCall, now: datetime) -> str:
        """Why a call is not carried, empty where it is; of one that is, its approval is remembered first.

        Raises:
            StateError: it cannot be remembered.
        """
        with self._lock:
            verdict = approval_verdict(call, self._rules, self._moments, now)
            if verdict.at is not None and not verdict.refusal:
                self._moments.add(call.host.id, verdict.at)
        return verdict.refusal


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
