"""The table of what a call may carry, and the digest that people approve.

Both stand in `playbooks/provisioner_host/machine/carried.py`, which hosts have as well: a carrier's node and a host
read the same file, each by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from provisioner.desired.names import HostNames
from provisioner.desired.render.templates import HOST_PACKAGE, data_folder

_NAME = f"{HOST_PACKAGE}.machine.carried"


@cache
def _table() -> ModuleType:
    spec = spec_from_file_location(_NAME, data_folder("playbooks") / HOST_PACKAGE / "machine" / "carried.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("the installation lacks carried.py of its playbooks: install provisioner again")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call_refusal(request: Mapping[str, object], sizes: Mapping[str, int], side: str) -> str:
    """Why a call is none that a host takes, as the rest of a sentence that begins with `it`; empty if it is one.

    Args:
        request: what the host is asked.
        sizes: the files that travel beside it: their names and sizes in bytes.
        side: the side of a shared centre that it is for; empty if the host is not shared.
    """
    return str(_table().refusal(request, sizes, HostNames(side).ours))


def call_digest(request: Mapping[str, object], files: Mapping[str, bytes]) -> str:
    """The digest over a whole apply or confirmation, without what may differ between plan and call.

    Args:
        request: what the host is asked.
        files: what travels beside it.
    """
    return str(_table().digest(request, files))
