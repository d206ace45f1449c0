"""What hatchling runs for a wheel: the documentation is built as HTML pages and goes into the wheel.

Whoever builds the package without the tools of development gets a wheel without these pages.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE: Final = "share/doc/provisioner/html"  #: The folder below the prefix of the installation.


class SiteHook(BuildHookInterface[Any]):
    """Builds the pages beforehand, and removes what it built afterwards."""

    PLUGIN_NAME = "custom"
    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages of a whole wheel; an editable one has none."""
        if version != "standard" or importlib.util.find_spec("mkdocs") is None:
            return
        sys.path.insert(0, self.root)
        from scripts.packaging.html_pages import build_html  # noqa: PLC0415 (of the sources that are built)

        self._scratch = tempfile.TemporaryDirectory()
        pages = Path(self._scratch.name) / "html"
        build_html(Path(self.root), pages)
        build_data["shared_data"][str(pages)] = PLACE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 (its form)
        """Remove them."""
        if self._scratch is not None:
            self._scratch.cleanup()
