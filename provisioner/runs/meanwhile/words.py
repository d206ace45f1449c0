"""What is said of silences, and of what a change cuts. Pure."""

from __future__ import annotations


def changing(run: str, host: str) -> str:
    """Why a path is in maintenance."""
    return f"run {run} changes {host}"


def not_silenced(receiver: str, reason: str) -> str:
    """That an Alertmanager was not told of all that a run cuts."""
    return f"alerts of paths that this run cuts are not all silenced at receiver {receiver}: {reason}"


def none_silenced(reason: str) -> str:
    """That no Alertmanager was told."""
    return f"no alert of paths that this run cuts is silenced: {reason}"


def not_renewed(receiver: str, reason: str) -> str:
    """That silences may end before the run does."""
    return f"silences at receiver {receiver} were not renewed: {reason}"


def not_ended(receiver: str, reason: str) -> str:
    """That silences outlast the run."""
    return f"silences at receiver {receiver} end by themselves within 3 minutes, and not now: {reason}"


def outlasting(reason: str) -> str:
    """That all silences outlast the run."""
    return f"silences of this run end by themselves within 3 minutes, and not now: {reason}"


IN_DISORDER = "receivers.yml has errors"
TOO_SLOW = "it took too long"
NO_ADDRESS = "it has no address"
