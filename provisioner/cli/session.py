"""A command's session on its inventory, with whoever looks on."""

from __future__ import annotations

from provisioner.cli.context import Invocation, today
from provisioner.pipeline.session import Session
from provisioner.runs import early


def session_of(invocation: Invocation) -> Session:
    """A session whose calls to hosts are watched by whoever looks on at the command."""
    return Session(invocation.inventory, invocation.env, today(), invocation.progress, begun=early.begun())
