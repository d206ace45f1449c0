"""The host program, which runs as root with Python 3.9 or later.

It uses the standard library only. A bundle arrives on standard input; the program does one operation and answers with
one JSON document. The same code is installed as one file for units that work without a controller.

The sources have folders, but the program is shipped flat: the entry of older installations unpacks no folders. There
each folder is a package with this file's directory as its path, so module names are unique across folders.
"""

import gc
import os
import sys
import types

FOLDERS = ("machine", "tunnel", "firewall", "relay", "onvif", "state", "observe", "look", "change")

gc.set_threshold(20_000)  # imports leave no garbage: at 700 it is looked for ten times

for _folder in FOLDERS:
    if not os.path.isdir(os.path.join(__path__[0], _folder)):  # noqa: PTH112, PTH118 (pathlib costs every call)
        _package = sys.modules[f"{__name__}.{_folder}"] = types.ModuleType(f"{__name__}.{_folder}")
        _package.__path__ = __path__
        globals()[_folder] = _package
