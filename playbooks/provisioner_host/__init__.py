"""What runs on a managed host, as root: Python's standard library only, 3.9 or later.

It arrives over standard input with one bundle, does one operation, and answers with one JSON document.
The same code lies on the host as one file for the units that must work without a controller.

In the sources it lies in folders; it is shipped flat, since the door of an older installation unpacks no folder. There
each folder is a package whose modules lie beside this file, so a module's name stands in one folder only.
"""

import os
import sys
import types

FOLDERS = ("machine", "tunnel", "firewall", "relay", "onvif", "state", "observe", "look", "change")

for _folder in FOLDERS:
    if not os.path.isdir(os.path.join(__path__[0], _folder)):  # noqa: PTH112, PTH118 (pathlib costs every call)
        _package = sys.modules[f"{__name__}.{_folder}"] = types.ModuleType(f"{__name__}.{_folder}")
        _package.__path__ = __path__
        globals()[_folder] = _package
