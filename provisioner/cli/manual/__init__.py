"""Manual pages, made of the commands themselves: what `--help` says, in the form that `man` reads."""

from __future__ import annotations

from provisioner.cli.manual.pages import manual_pages

__all__ = ["manual_pages"]
