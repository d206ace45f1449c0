"""Commands: options, one call, text."""

import os
import sys


def _leave_relative_folders() -> None:
    """Remove relative entries of PYTHONPATH from the module path.

    With `PYTHONPATH=.` Python has already run the folder's `sitecustomize.py`, but later imports are safe.
    """
    named = os.environ.get("PYTHONPATH", "")
    if not named or sys.flags.ignore_environment:
        return
    relative = {os.path.abspath(entry) for entry in named.split(os.pathsep) if not os.path.isabs(entry)}  # noqa: PTH100, PTH117
    sys.path[:] = [entry for entry in sys.path if entry and entry not in relative]


_leave_relative_folders()  # before any other import: a checkout may have a `subprocess.py`
