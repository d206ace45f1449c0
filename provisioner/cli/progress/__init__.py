"""How far a command is: on a terminal, as plain lines, in a log file; the same events for all three."""

from __future__ import annotations

from provisioner.cli.progress.onlookers import Progress, ProgressForm

__all__ = ["Progress", "ProgressForm"]
