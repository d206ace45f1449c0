"""Allowed content of a call: keys, file names, sizes, approved digest.

The host checks each call against this table before any write, and a carrier's node checks the call on its own with
the same file. The module imports no other of ours, so that the controller can load it too.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_KIB, _MIB = 1 << 10, 1 << 20
LARGEST_REQUEST = 64 * _MIB
# By operation the shape of its request, the files that may travel beside it, and the most bytes of the request.
CALLS = {
    "observe": ("ObserveRequest", ("nft",), 4 * _MIB),
    "keys": ("KeysRequest", ("identity", "next-key", "program", "tunnel-key"), 64 * _KIB),
    "release": ("ReleaseRequest", (), 64 * _KIB),
    "remove": ("RemoveRequest", (), 4 * _MIB),
    "probe": ("ProbeRequest", ("nft",), LARGEST_REQUEST),
    "flow": ("FlowLookRequest", (), LARGEST_REQUEST),
    "apply": ("ApplyRequest", ("artefact", "identity", "nft"), LARGEST_REQUEST),
    "rollback": ("RollbackRequest", (), LARGEST_REQUEST),
    "look": ("LookRequest", (), LARGEST_REQUEST),
    "confirm": ("ConfirmRequest", ("nft",), 4 * _MIB),
    "abort": ("AbortRequest", (), 4 * _MIB),
    "status": ("StatusRequest", (), 4 * _MIB),
}
# The request's size stands by this name among those of the files; no file may have it.
REQUEST = "request.json"

# In bytes; what an apply puts has numbers for names.
SIZES = {
    "artefact": 512 * _MIB,
    "identity": _KIB,
    "next-key": _KIB,
    "nft": 16 * _MIB,
    "program": 8 * _MIB,
    "tunnel-key": _KIB,
}
_LARGEST_PUT = 64 * _MIB
_LONGEST = 4096
_MOST = 200_000
# Of files, units, networks and ports that a host is asked about: each costs it a look.
_MOST_ASKED = 1000
_MOST_PUT = 100
_LARGEST_NUMBER = 1 << 53
_MODES = (0o600, 0o640, 0o644, 0o755)
_GROUPS = ("root", "mediamtx")
_SHOWN = 40

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_NUMBER = re.compile(r"[0-9]{1,3}")
_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_OURS = re.compile(r"provisioner(\.[a-z0-9-]{1,20})?")
_WORD = re.compile(r"[A-Za-z_]{1,40}")
_PUBLIC_KEY = r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
_UNSOUND = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

# What may differ between the call that was planned and the one that is made: who makes it, in which run, and when.
MAY_DIFFER = ("run", "who", "confirm_s", "record", "epoch", "expected_live_digest", "meant")

# By its test from `wire.py`: a shape, its keys, and the kind of what is no text; `?` stands after what may be left out.
SHAPES = """
ObserveRequest operation digest_key files:[str] units:[str] program:str|null receipts?:bool held?:[str]
  networks?:[str] ports?:PortsToTake

KeysRequest operation relay:bool owner?:OwnerToMark who? seal?:SealOrder restores? following?

ReleaseRequest owner:OwnerToMark run marked operation who

RemoveRequest owner:OwnerToMark run marked operation peers:[str]

ProbeRequest deadline_s:float max_readers:int sample_s:float read_s:float connect_s?:float cpu_share?:float
  operation observe:ObserveRequest relay?:RelayToProbe centre?:CentreToProbe

FlowLookRequest operation paths:[str] sample_s:float

ApplyRequest run who confirm_s:float units:[str] peers:[str] sentinel program:ProgramToInstall|null
  record?:RecordHead|null owner?:OwnerToMark epoch?:int operation meant? lift?:[str] files:{FileToPut}
  observe:ObserveRequest expected_live_digest lockout:LockoutCheck gate:GateRequest|null elsewhere:[str]
  restart:[str]

RollbackRequest run who confirm_s:float units:[str] peers:[str] sentinel program:ProgramToInstall|null
  record?:RecordHead|null owner?:OwnerToMark epoch?:int operation target bare?:bool digest_key wanted:{str}
  lockout:LockoutCheck gate:GateRequest|null held:[str]

LookRequest run who confirm_s:float units:[str] peers:[str] sentinel program:ProgramToInstall|null
  record?:RecordHead|null owner?:OwnerToMark epoch?:int operation gate:GateRequest

ConfirmRequest run who confirm_s:float units:[str] peers:[str] sentinel program:ProgramToInstall|null
  record?:RecordHead|null owner?:OwnerToMark epoch?:int operation files:[str] observe:ObserveRequest

AbortRequest run who confirm_s:float units:[str] peers:[str] sentinel program:ProgramToInstall|null
  record?:RecordHead|null owner?:OwnerToMark epoch?:int operation cause

StatusRequest run who confirm_s:float units:[str] peers:[str] sentinel program:ProgramToInstall|null
  record?:RecordHead|null owner?:OwnerToMark epoch?:int operation

OwnerToMark inventory key host

LockoutCheck check:bool ssh_port:int networks:[str]

GateRequest deadline_s:float max_readers:int sample_s:float read_s:float connect_s?:float cpu_share?:float
  address wait_s?:float since?:float early_s?:float first?:bool paths:[PathToRead] away:[PathToRead]

PortsToTake tcp:[int] udp:[int] led?:[int]

SealOrder recovery inventory host

RelayToProbe address paths:[PathToProbe] read?:bool samples_suffice?:bool onvif?:[DeviceToAsk]

CentreToProbe relays:[RelayToRead]

ProgramToInstall path artefact:bool sha256

FileToPut content mode:int owner group

RecordHead run sequence:int head seal

PathToRead name on_demand:bool address port:int look?:LookToTake

PathToProbe name on_demand:bool address port:int look?:LookToTake peer read_by?:[str] tried?:bool

RelayToRead relay address user secret paths:[str] looks?:{LookToTake} fingerprint? through?:ThroughHub

DeviceToAsk name address port:int paths:[str] profile again?:bool

LookToTake seconds:float most_s:float keys:int every:bool skips?:bool early?:EarlyEndToTake

ThroughHub address port:int fingerprint

EarlyEndToTake fps:float|null least_kbps:int|null
"""

_SLUG = r"(?=.{1,64}\Z)[a-z0-9]+(-[a-z0-9]+)*"
# By a shape and its key the form of that text, and of each text of that list.
_FORMS = {
    (shape, key): re.compile(form)
    for key, form, shapes in (
        ("inventory", _SLUG, ("OwnerToMark", "SealOrder")),
        ("host", _SLUG, ("OwnerToMark", "SealOrder")),
        ("key", r"[0-9a-f]{32}", ("OwnerToMark",)),
        ("marked", r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?", ("ReleaseRequest", "RemoveRequest")),
        ("recovery", _PUBLIC_KEY, ("SealOrder",)),
        ("restores", _PUBLIC_KEY, ("KeysRequest",)),
        ("following", f"({_PUBLIC_KEY})?", ("KeysRequest",)),
        ("peers", _PUBLIC_KEY, tuple(shape for shape, _, _ in CALLS.values())),
        ("sentinel", r"(cfg/[0-9a-f]{12,24})?", tuple(shape for shape, _, _ in CALLS.values())),
    )
    for shape in shapes
}


class _OddError(Exception):
    """An invalid part of a request; the message continues after `it`."""


def is_name(name: str) -> bool:
    """Return whether a file of a request may have this name."""
    return _NAME.fullmatch(name) is not None


def refusal(request: object, sizes: Mapping[str, int], ours: str) -> str:
    """Return why a host refuses a call, or an empty string.

    The reason continues a sentence that begins with `it`.

    Args:
        request: the parsed JSON.
        sizes: the files of the call, and its request (`REQUEST`): names and sizes in bytes.
        ours: the prefix of our names on that host, `provisioner` or `provisioner.SIDE`.
    """
    operation = request.get("operation") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(operation, str) or operation not in CALLS:
        return "asks for no operation that a host knows"
    if _OURS.fullmatch(ours) is None:
        return "is for a side that has no such name"
    try:
        shape, allowed, most = CALLS[operation]
        _check_object(request, shape, "")
        _meant_for(request, ours)
        _check_files(request, {name: size for name, size in sizes.items() if name != REQUEST}, allowed)
        if sizes.get(REQUEST, 0) > most:
            return f"has more than {most} bytes, the most that {operation} may have"
    except _OddError as error:
        return str(error)
    return ""


def digest(request: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """Return a request's digest, which is the same in plan and call.

    It omits the keys in `MAY_DIFFER`. The key is the inventory's digest key from the request, as plans are public.

    Args:
        request: of an apply or a confirmation; `refusal` has accepted it.
        files: the files of the call; the request has the checksum of MediaMTX's program.
    """
    planned = {key: value for key, value in request.items() if key not in MAY_DIFFER}
    if planned.get("program"):
        planned["program"] = {key: value for key, value in planned["program"].items() if key != "artefact"}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != "artefact"}
    text = json.dumps([planned, sums], sort_keys=True, separators=(",", ":"))
    key = str(request["observe"]["digest_key"]).encode()
    return "sha256:" + hmac.new(key, b"provisioner/request\0" + text.encode(), "sha256").hexdigest()


# --- keys and kinds -------------------------------------------------------------------------------
@lru_cache(maxsize=1)
def _parsed_shapes() -> dict[str, dict[str, tuple[bool, str]]]:
    shapes: dict[str, dict[str, tuple[bool, str]]] = {}
    for block in SHAPES.strip().split("\n\n"):
        name, *entries = block.split()
        fields = (entry.partition(":") for entry in entries)
        shapes[name] = {key.rstrip("?"): (not key.endswith("?"), kind or "str") for key, _, kind in fields}
    return shapes


def _check_object(value: object, shape: str, position: str) -> None:
    """Raise `_OddError` if an object has another shape."""
    if not isinstance(value, dict):
        raise _OddError(f"has {position or 'a request'} that is no object")
    fields = _parsed_shapes()[shape]
    for key in value:
        if key not in fields:
            raise _OddError(f"has {_below(position, key)}, which no such request has")
    for key, (is_needed, kind) in fields.items():
        if key in value:
            _check_kind(value[key], kind, _below(position, key))
            if (shape, key) in _FORMS:
                _check_form(value[key], _FORMS[shape, key], _below(position, key))
        elif is_needed:
            raise _OddError(f"lacks {_below(position, key)}")


def _check_form(value: Any, form: re.Pattern[str], position: str) -> None:
    """Raise `_OddError` if a text or list has another form."""
    if not all(form.fullmatch(text) for text in (value if isinstance(value, list) else [value])):
        raise _OddError(f"has {position} of another form than any")


def _below(position: str, key: object) -> str:
    name = key if isinstance(key, str) and _WORD.fullmatch(key) else "a key that is no word"
    return f"{position}.{name}"[-_SHOWN * 4 :] if position else name


def _check_kind(value: object, kind: str, position: str) -> None:
    """Raise `_OddError` if a value is of another kind."""
    if kind.endswith("|null"):
        if value is None:
            return
        kind = kind[: -len("|null")]
    if kind[0] in "[{":
        _check_collection(value, kind, position)
    elif kind in _PLAIN:
        if not _PLAIN[kind](value):
            raise _OddError(f"has {position} that is no {_WORDS[kind]}")
    else:
        _check_object(value, kind, position)


def _check_collection(value: object, kind: str, position: str) -> None:
    """Raise `_OddError` if a list or mapping has an invalid member."""
    if not isinstance(value, list if kind[0] == "[" else dict) or len(value) > _MOST:
        raise _OddError(f"has {position} that is no {'list' if kind[0] == '[' else 'object'}, or is too long")
    inner = kind[1:-1]
    if isinstance(value, dict):
        for key in value:
            if not _is_text(key):
                raise _OddError(f"has {position} with a key that is no text")
        value = list(value.values())
    if inner in _PLAIN:
        fits = _PLAIN[inner]
        if not all(fits(member) for member in value):
            raise _OddError(f"has {position} with something that is no {_WORDS[inner]}")
        return
    for member in value:
        _check_object(member, inner, position)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST and _UNSOUND.search(value) is None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_NUMBER


def _is_number(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value) and 0 <= value <= _LARGEST_NUMBER)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


_PLAIN: dict[str, Callable[[object], bool]] = {
    "str": _is_text,
    "int": _is_whole,
    "float": _is_number,
    "bool": _is_switch,
}
_WORDS = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}


# --- names of things of ours ----------------------------------------------------------------------
def _meant_for(request: dict[str, Any], ours: str) -> None:
    """Raise `_OddError` if a request names foreign runs, files or units."""
    for key in ("run", "target"):
        if request.get(key) and not _RUN.fullmatch(request[key]):
            raise _OddError(f"names a {key} as none is called")
    if request["operation"] not in {"release", "remove", "rollback"} and request.get("run") == "":
        raise _OddError("names no run")
    observed = request if request["operation"] == "observe" else request.get("observe", {})
    named = [*request.get("files", ()), *observed.get("files", ())]
    groups = [named, observed.get("units", ()), observed.get("networks", ()), *observed.get("ports", {}).values()]
    if any(len(group) > _MOST_ASKED for group in groups):
        raise _OddError(f"asks about more than {_MOST_ASKED} things of a kind")
    file = re.compile(
        rf"/etc/{re.escape(ours)}/[a-z0-9][a-z0-9.-]*|/etc/systemd/system/{re.escape(ours)}-[a-z0-9-]+\.service"
        rf"|/usr/local/lib/{re.escape(ours)}/provisioner-host"
    )
    unit = re.compile(rf"{re.escape(ours)}-[a-z0-9-]+\.service")
    program = re.compile(r"/usr/local/lib/provisioner/mediamtx-[0-9A-Za-z][0-9A-Za-z.-]*")
    _all_named("file", named, file)
    _all_named("unit", [*request.get("units", ()), *request.get("restart", ()), *observed.get("units", ())], unit)
    to_install = request.get("program")
    programs = [to_install["path"]] if isinstance(to_install, dict) else [to_install] if to_install else []
    _all_named("program", [*programs, *([observed["program"]] if observed.get("program") else [])], program)
    if request["operation"] == "apply":
        for put in request["files"].values():
            if put["mode"] not in _MODES or put["owner"] != "root" or put["group"] not in _GROUPS:
                raise _OddError("puts a file with rights that none of ours has")


def _all_named(kind: str, names: list[str], form: re.Pattern[str]) -> None:
    if not all(form.fullmatch(name) for name in names):
        raise _OddError(f"names a {kind} that is none of ours")


def _check_files(request: dict[str, Any], sizes: Mapping[str, int], allowed: tuple[str, ...]) -> None:
    """Raise `_OddError` if a file is unknown, missing or too large."""
    numbered = {put["content"] for put in request["files"].values()} if request["operation"] == "apply" else set()
    if len(numbered) > _MOST_PUT or not all(_NUMBER.fullmatch(name) for name in numbered):
        raise _OddError("puts files by other names than numbers, or too many")
    brought = {"tunnel-key": request.get("restores"), "next-key": request.get("following")}
    needed = numbered | {name for name, key in brought.items() if key}
    needed |= {"program"} if request["operation"] == "keys" else set()
    if missing := needed - sizes.keys():
        raise _OddError(f"does not bring {min(missing)}")
    for name, size in sizes.items():
        if (name not in numbered and name not in allowed) or name in brought.keys() - needed:
            label = name if is_name(name) else "one whose name no file has"
            raise _OddError(f"brings a file that no {request['operation']} has: {label}")
        if size > SIZES.get(name, _LARGEST_PUT):
            raise _OddError(f"brings a file that is too large: {name}")
