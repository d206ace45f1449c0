"""SSH entry: reads a bundle, runs its operation, prints the answer."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.machine import carried, paths
from provisioner_host.machine.files import words_of
from provisioner_host.machine.shell import Failed, scrub

if TYPE_CHECKING:
    from provisioner_host.wire import Answer, Request

ANSWER = "PROVISIONER-ANSWER "
# By an operation's name the module and the function that do it.
_OPERATIONS = {
    "observe": ("observe.host", "observe_host"),
    "keys": ("state.keys", "make_keys"),
    "release": ("state.keys", "release"),
    "remove": ("change.remove", "remove"),
    "apply": ("change.apply", "apply"),
    "rollback": ("change.apply", "rollback"),
    "look": ("change.confirm", "look"),
    "confirm": ("change.confirm", "confirm"),
    "abort": ("change.confirm", "abort"),
    "status": ("change.confirm", "status"),
    "probe": ("look.probe", "probe"),
    "flow": ("look.probe", "flow"),
}


def load(operation: str) -> None:
    """Import an operation's modules before its processes start."""
    if operation in _OPERATIONS:
        import_module(f"provisioner_host.{_OPERATIONS[operation][0]}")


def serve(folder: str) -> None:
    """Run the bundle's operation and print its answer as the last line."""
    # The controller may die or its connection be cut: what was begun is finished, and returns by itself.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    bundle = Path(folder)
    answer: dict[str, Any]
    request: Any = {"operation": "a call"}
    try:
        request = _request(bundle)
        answer = {"ok": True, "answer": _operation(request, bundle)}
    except Failed as error:
        answer = {"ok": False, "error": scrub(str(error))}
    except OSError as error:
        answer = {"ok": False, "error": scrub(f"{request['operation']}: {words_of(error)}")}
    except Exception as error:  # noqa: BLE001 (a defect of ours; its own words may quote a value, the place does not)
        answer = {"ok": False, "error": f"{request['operation']}: {type(error).__name__} at {_raised_at(error)}"}
    sys.stdout.write("\n" + ANSWER + json.dumps(answer) + "\n")
    sys.stdout.flush()


def _raised_at(error: Exception) -> str:
    # By hand: to import `traceback` costs every call more than most of what it does.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "an unknown place"


def _request(folder: Path) -> Request:
    """Return the bundle's request after all checks, or raise `Failed`."""
    # The door of an older installation makes no folder if a call brings no file.
    call_files = list((folder / "files").iterdir()) if (folder / "files").exists() else []
    size = (folder / "request.json").stat().st_size
    if size > carried.LARGEST_REQUEST:
        raise Failed("the call was refused by the host: it is too large")
    try:
        request = json.loads((folder / "request.json").read_text())
    except (ValueError, RecursionError):
        raise Failed("the call was refused by the host: it is no request") from None
    sizes = {path.name: path.stat().st_size for path in call_files} | {carried.REQUEST: size}
    if reason := carried.refusal(request, sizes, paths.OURS):
        raise Failed(f"the call was refused by the host: it {reason}")
    if "meant" in request and request["meant"] != carried.digest(
        request, {path.name: path.read_bytes() for path in call_files if path.name != "artefact"}
    ):
        raise Failed("the call was refused by the host: it is not what was planned")
    valid: Request = request
    return valid


def _operation(request: Request, folder: Path) -> Answer:
    name = request["operation"]
    module, function = _OPERATIONS[name]
    # The modules of the other operations take longer to import than most operations take.
    # Which request an operation takes is what its name says: the type checker cannot see that through a table.
    operation: Callable[[Any, Path], Answer] = getattr(import_module(f"provisioner_host.{module}"), function)
    return operation(request, folder)
