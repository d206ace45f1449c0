"""How a run goes: how strict, who approved it, when to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.apply import RolloutOptions


@dataclass(frozen=True)
class RunOptions:
    """How a run goes: how strict its rollout is, who approved it, and whether somebody asks to stop.

    Attributes:
        approval: what approved it, in the caller's own words, for the record.
        folder: where signed approvals are; None for the inventory's own folder.
    """

    rollout: RolloutOptions = field(default_factory=RolloutOptions)
    approval: str = ""
    folder: Path | None = None
    stop: Callable[[], bool] = lambda: False


USUAL = RunOptions()


_APPROVALS = (("CI_MERGE_REQUEST_IID", "merge request !"), ("GITHUB_REF", "ref "), ("CHANGE_ID", "change "))


def approval_of(text: str, environment: Mapping[str, str]) -> str:
    """What approved a change: the text that was given, else what the pipeline says of itself."""
    if text or environment.get("PROVISIONER_APPROVAL"):
        return (text or environment["PROVISIONER_APPROVAL"])[:200]
    approvals = ((prefix, environment.get(name, "")) for name, prefix in _APPROVALS)
    return next((f"{prefix}{value}"[:200] for prefix, value in approvals if value), "")
