"""Our nftables table: read, compare, check, load. Other tables stay untouched."""

from __future__ import annotations

import hashlib
import json
import pwd
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine import paths
from provisioner_host.machine.files import cached, identity
from provisioner_host.machine.namespace import scratch
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import PATH, Failed, run

if TYPE_CHECKING:
    from provisioner_host.wire import DifferenceAnswer

Items = dict[str, Any]
_LIST = ["nft", "-j", "list", "table", *paths.TABLE]
_NO_TABLE = "No such file or directory"
_COUNTERS = {"packets", "bytes"}
_USER = pattern(r'\bskuid "([a-z_][a-z0-9_-]*)"')
# nft would read any other file as root, and repeats its lines in errors. A text of several lines would hide one.
_APART = pattern(r'^[ \t]*#[^\n]*\n|"[^"\n]*"', re.MULTILINE)
_INCLUDES = pattern(r'include|"')
_ELEMENTS = pattern(
    r"^\tset (cameras|onvif|relays) \{\n(?:\t\t(?:type|flags) [^\n]*\n)*\t\telements = \{ ([0-9., ]+) \}\n",
    re.MULTILINE,
)
_OWN = pattern(r' oifname "lo" ip daddr ([0-9.]+) tcp dport (\d+) accept comment "probe-(?:reads|hub)"\n')
_SHOWN = 80
# The largest that a user can have but one: nobody has it.
_NOBODY = 2**32 - 2


def live() -> Items | None:
    """Return the live table by item, or `None` if not loaded."""
    listed = run(_LIST, check=False)
    return items(json.loads(listed.stdout)) if listed.returncode == 0 else None


def is_loaded() -> bool:
    """Return whether our table is loaded, or raise `Failed`."""
    listed = run(_LIST, check=False)
    if listed.returncode and _NO_TABLE not in listed.stderr:
        raise Failed(f"nft does not list our table: {listed.stderr.strip()[-_SHOWN:]}")
    return listed.returncode == 0


def intended(path: Path) -> Items:
    """Return a rules file's items, as loaded in a scratch namespace.

    Texts cannot be compared: each nft version sorts, merges and renames in its own way. The same nft and kernel give
    the same answer (measured with nft 1.0.6). The result is cached until reboot, by content, user ids and nft program.
    `Failed` is raised if nft refuses the file.
    """
    program = shutil.which("nft", path=PATH)
    rules = loadable(path)
    key = [hashlib.sha256(rules.encode()).hexdigest(), identity(Path(program)) if program else []]
    table: Items = cached("rules", key, lambda: _loaded_aside(rules))
    return table


def _loaded_aside(rules: str) -> Items:
    with scratch() as namespace:
        namespace.run(["nft", "-f", "-"], stdin=rules)
        return items(json.loads(namespace.run(_LIST).stdout))


def loadable(path: Path) -> str:
    """Return a rules file with user ids; raise `Failed` on an include.

    nft refuses a whole file if one user is missing, so a missing user gets an id that is never assigned. Plans come
    before the first apply creates the users, and a missing user must not cost the host its firewall at boot.
    """
    rules = path.read_text(encoding="utf-8", errors="replace")
    if _INCLUDES.search(_APART.sub("\n", rules)):
        raise Failed("the rules include another file: write its lines into them")
    return _USER.sub(lambda named: f"skuid {_user_id(named[1])}", rules)


def _user_id(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return _NOBODY


def items(document: dict[str, Any]) -> Items:
    """Return a listed table as named items, including the rule order."""
    table: Items = {}
    order: dict[str, list[str]] = {}
    for entry in document["nftables"]:
        for kind, value in entry.items():
            if kind == "chain":
                properties = {k: v for k, v in value.items() if k in {"type", "hook", "prio", "policy"}}
                table[f"chain {value['name']}"] = properties
                order.setdefault(value["name"], [])
            elif kind in {"set", "map"}:
                table.update(_items_of_set(kind, value))
            elif kind == "rule":
                chain = value["chain"]
                name = _rule_name(value, order.setdefault(chain, []))
                order[chain].append(name)
                table[name] = without_counters(value["expr"])
    table.update({f"order {chain}": names for chain, names in order.items()})
    return table


def _items_of_set(kind: str, value: dict[str, Any]) -> Items:
    dynamic = "timeout" in value or {"dynamic", "timeout"} & set(value.get("flags", ()))
    properties = {k: v for k, v in value.items() if k in {"type", "flags", "timeout", "size", "map"}}
    entries: Items = {f"{kind} {value['name']}": properties}
    if not dynamic:
        entries.update({f"element {value['name']} {_element_text(e)}": "" for e in value.get("elem", ())})
    return entries


def _rule_name(rule: dict[str, Any], before: list[str]) -> str:
    name = f"{rule['chain']}/{rule.get('comment') or 'unnamed'}"
    count = sum(1 for earlier in before if earlier.split("#")[0] == name)
    return f"{name}#{count + 1}" if count else name


def without_counters(value: Any) -> Any:
    """Return nft's listing without counters and handles."""
    if isinstance(value, dict):
        return {k: 0 if k in _COUNTERS else without_counters(v) for k, v in value.items() if k != "handle"}
    if isinstance(value, list):
        return [without_counters(v) for v in value]
    return value


def _element_text(element: Any) -> str:
    if not isinstance(element, dict):
        return " : ".join(map(_element_text, element)) if isinstance(element, list) else str(element)
    prefix = _part(element, "prefix")
    if "val" in _part(element, "elem"):
        text = _element_text(element["elem"]["val"])
    elif "concat" in element:
        text = " . ".join(map(_element_text, element["concat"]))
    elif {"addr", "len"} <= prefix.keys():
        text = f"{prefix['addr']}/{prefix['len']}"
    elif "range" in element:
        text = "-".join(map(_element_text, element["range"]))
    else:
        text = json.dumps(element, sort_keys=True)
    return text


def _part(element: dict[str, Any], name: str) -> dict[str, Any]:
    part = element.get(name)
    return part if isinstance(part, dict) else {}


def differences(wanted: Items, live: Items | None) -> list[DifferenceAnswer]:
    """Return the differences as `{name, action}`; order counts if the names agree."""
    live = live or {}
    changes: list[DifferenceAnswer] = []
    for name in sorted(set(wanted) | set(live)):
        if name.startswith("order ") and sorted(wanted.get(name, ())) != sorted(live.get(name, ())):
            continue
        if name not in live:
            changes.append({"name": name, "action": "create"})
        elif name not in wanted:
            changes.append({"name": name, "action": "delete"})
        elif wanted[name] != live[name]:
            changes.append({"name": name, "action": "update"})
    return changes


class InstalledEndpoints(NamedTuple):
    """Addresses in the installed rules: probes may connect only to these.

    A probe needs no approval; the installed rules were approved.
    """

    cameras: frozenset[tuple[str, int]] = frozenset()  #: Devices with their video ports.
    asked: frozenset[tuple[str, int]] = frozenset()  #: Devices with their ONVIF ports.
    own: frozenset[tuple[str, int]] = frozenset()  #: This host's RTSP servers.
    relays: frozenset[str] = frozenset()  #: Addresses of the relays that a centre reads.


def installed_places() -> InstalledEndpoints:
    """Return addresses in the installed rules; missing or foreign rules have none."""
    try:
        return endpoints_in(paths.NFT_FILE.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return InstalledEndpoints()


def endpoints_in(rules: str) -> InstalledEndpoints:
    """Return the addresses in rules; raise `ValueError` on foreign forms."""
    sets = {name: listed.split(", ") for name, listed in _ELEMENTS.findall(rules)}
    cameras, onvif_devices = (frozenset(map(_endpoint_of, sets.get(name, ()))) for name in ("cameras", "onvif"))
    own_ports = frozenset((address, int(port)) for address, port in _OWN.findall(rules))
    return InstalledEndpoints(cameras, onvif_devices, own_ports, frozenset(sets.get("relays", ())))


def _endpoint_of(element: str) -> tuple[str, int]:
    address, _, port = element.partition(" . ")
    return address, int(port)


def refusal(address: str, port: int) -> str:
    """Return the reason why a probe may not connect to an address."""
    endpoint = f"{address}:{port}"[:_SHOWN]
    return f"this host does not connect to {endpoint}, which its installed rules do not have: apply its plan first"


def load(path: Path) -> None:
    """Load a file in one transaction, or keep the table and raise."""
    run(["nft", "-f", "-"], stdin=loadable(path))


def delete() -> None:
    """Delete our table if it is loaded."""
    if live() is not None:
        run(["nft", "delete", "table", *paths.TABLE])


def load_installed() -> None:
    """Load the installed file at boot, or raise `Failed`."""
    if not paths.NFT_FILE.exists():
        raise Failed(f"{paths.NFT_FILE} is missing")
    load(paths.NFT_FILE)
