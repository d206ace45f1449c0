"""Where this interpreter takes modules from: never from a folder that depends on where the caller is."""

from __future__ import annotations

import os
import sys


def leave_relative_folders() -> None:
    """Take the relative entries of the caller's PYTHONPATH out of the path of modules.

    Whoever sets `PYTHONPATH=.` runs `sitecustomize.py` of every folder he works in, before anything of ours begins;
    but the modules that we import later are not looked for there.
    """
    named = os.environ.get("PYTHONPATH", "")
    if not named or sys.flags.ignore_environment:
        return
    relative = {os.path.abspath(entry) for entry in named.split(os.pathsep) if not os.path.isabs(entry)}  # noqa: PTH100, PTH117
    sys.path[:] = [entry for entry in sys.path if entry and entry not in relative]
