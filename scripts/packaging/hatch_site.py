"""A hook of hatchling: builds the manual pages and the documentation as HTML pages into the wheel.

Whoever builds the package without the tools of development gets a wheel without these pages.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Folders below the prefix of the installation.
HTML: Final = "share/doc/provisioner/html"
MANUAL: Final = "share/man/man1"


class SiteHook(BuildHookInterface[Any]):
    """Builds the pages beforehand, and removes what it built afterwards."""

    PLUGIN_NAME = "custom"
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages of a whole wheel; an editable one has none."""
        if version != "standard" or importlib.util.find_spec("mkdocs") is None:
            return
        sys.path.insert(0, self.root)
        # Of the sources that are built.
        from provisioner.cli.main import run  # noqa: PLC0415
        from scripts.packaging.html_pages import build_html  # noqa: PLC0415

        self._scratch = tempfile.TemporaryDirectory()
        html, manual = (Path(self._scratch.name) / name for name in ("html", "man1"))
        build_html(Path(self.root), html)
        if run(["man", "--out", str(manual)], {}):
            raise RuntimeError("the manual pages cannot be written")
        build_data["shared_data"] |= {str(html): HTML, str(manual): MANUAL}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 (its form)
        """Remove them."""
        if self._scratch is not None:
            self._scratch.cleanup()
