"""States that tests share: the first test of a process prepares one, each further test gets a copy."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.simulated import SimulatedHost, SimulatedHosts

#: The folder of prepared states, set when a session of tests begins.
FOLDER = Path()
_HOSTS: dict[str, dict[str, SimulatedHost]] = {}


def prepared(folder: Path, hosts: SimulatedHosts, name: str, prepare: Callable[[], object]) -> None:
    """Bring a folder and its hosts into the state of a name."""
    model = FOLDER / name
    if name in _HOSTS:
        shutil.rmtree(folder / "inventories", ignore_errors=True)
        shutil.copytree(model, folder, dirs_exist_ok=True)
        hosts.hosts = copy.deepcopy(_HOSTS[name])
        return
    prepare()
    shutil.copytree(folder, model)
    _HOSTS[name] = copy.deepcopy(hosts.hosts)
