"""A relay's own illness and foreign access (docs/internals/verify.md). Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_network

from provisioner.base.text import msg, printable
from provisioner.desired.render.host import user_settings
from provisioner.desired.spec import HostSpec
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts
from provisioner.plan.diff.users import USERS
from provisioner.verify.evidence import RelayEvidence
from provisioner.verify.result import OF_MEDIAMTX, Cause, Finding, Layer, PathVerdict, Verdict

_SEVERAL = 2
# A process of this age may have missed what a look of a minute or less saw.
_YOUNG_S = 60.0
_FULL = 0.95
_NO_FILES = re.compile(r"\btoo many open files\b")
# With a quota of 5 % a program waited 18 times as long as it ran; on two cores that six programs share, 3 times (both
# measured). And what waits less than half of a look loses little of it.
_WAITS, _MORE_THAN_IT_RAN, _SHORTEST_S = 0.5, 5, 2.0
_STOLEN = 0.1
_NAMED = 3
_SHOWN = 60
_ANYBODY = "any"


def with_illness(
    verdict: PathVerdict, illness: tuple[Cause, str] | None, said: wire.DeviceReplyAnswer | None
) -> PathVerdict:
    """Name the relay's own illness as the cause, if it is."""
    if illness is None or verdict.verdict in {Verdict.UP, Verdict.QUARANTINED} or verdict.cause not in OF_MEDIAMTX:
        return verdict
    if said is not None and (said["kind"] != "rtsp" or "redirect" in said):
        return verdict
    cause, detail = illness
    return replace(verdict, finding=Finding(cause, Layer.RELAY, verdict.relay, detail, verdict.finding.level))


def illness_of(relay: RelayEvidence) -> tuple[Cause, str] | None:
    """Return what ails a relay's MediaMTX at this moment, if anything."""
    service = relay.service
    if service is None:
        return None
    if relay.unit == "active" and (lacking := _lacking_files(relay, service)):
        return Cause.RELAY_STRAINED, lacking
    if service["restarts"] >= _SEVERAL and service["age_s"] < _YOUNG_S:
        return Cause.RELAY_RESTARTS, _restarts(service)
    least_s = max(_WAITS * service["seconds"], _MORE_THAN_IT_RAN * service["ran_s"])
    if service["seconds"] >= _SHORTEST_S and service["waited_s"] >= least_s:
        return Cause.RELAY_STRAINED, _processor_wait_text(service)
    return None


def relay_findings(relay: str, evidence: RelayEvidence) -> tuple[Finding, ...]:
    """Return a relay's faults that hold even if its paths are up."""
    service = evidence.service
    if service is None:
        return ()
    faults = []
    if service["restarts"] >= _SEVERAL:
        faults.append((Cause.RELAY_RESTARTS, _restarts(service)))
    if evidence.unit == "active" and (lacking := _lacking_files(evidence, service)):
        faults.append((Cause.RELAY_STRAINED, lacking))
    return tuple(Finding(cause, Layer.RELAY, relay, detail) for cause, detail in faults)


def _restarts(service: wire.ServiceAnswer) -> str:
    ended = f" ({service['ended']})" if service["ended"] else ""
    return msg(
        "its MediaMTX ended and was started again {restarts} times within an hour, the last time {age} s ago{ended}",
        service["restarts"],
        f"{service['age_s']:.0f}",
        ended,
    )


def _lacking_files(relay: RelayEvidence, service: wire.ServiceAnswer) -> str:
    if service["lacked_files"]:
        return "its MediaMTX had no file left for a connection and ended its server for readers (LimitNOFILE)"
    refused = any(_NO_FILES.search(line) for lines in relay.errors.values() for line in lines)
    if refused or (service["most_files"] and service["files"] >= _FULL * service["most_files"]):
        return msg(
            "its MediaMTX has {files} of {most_files} files open (LimitNOFILE)", service["files"], service["most_files"]
        )
    return ""


def _processor_wait_text(service: wire.ServiceAnswer) -> str:
    detail = msg(
        "its MediaMTX ran {ran} s and waited {waited} s for a processor within {seconds} s",
        f"{service['ran_s']:.1f}",
        f"{service['waited_s']:.1f}",
        f"{service['seconds']:.0f}",
    )
    if service["stolen"] < _STOLEN:
        return detail
    return msg("{detail}; the hypervisor took {share} of the machine's time", detail, f"{service['stolen']:.0%}")


# --- access ---------------------------------------------------------------------------------------
def foreign_access(spec: HostSpec, facts: HostFacts | None) -> tuple[Finding, ...]:
    """Return the finding of users and paths that the inventory lacks."""
    if spec.relay is None or facts is None:
        return ()
    strangers = list(_foreign_users(spec, facts))
    if not strangers:
        return ()
    more = len(strangers) - _NAMED
    named = "; ".join(strangers[:_NAMED])
    detail = msg("{named}, and {more} more", named, more) if more > 0 else named
    return (Finding(Cause.FOREIGN_ACCESS, Layer.RELAY, spec.id, detail),)


def _foreign_users(spec: HostSpec, facts: HostFacts) -> Iterator[str]:
    known = [_rights_of(user_settings(user)) for user in spec.relay.users] if spec.relay else []
    in_file = facts.relay["settings"].get(USERS) if facts.relay else None
    for user in in_file if isinstance(in_file, list) else ():
        if beyond := _foreign_rights(_rights_of(user), known):
            yield msg("{user}, in its file and not in the inventory", beyond)
    added = facts.runtime.get("added") if facts.runtime else None
    for entry in added["users"] if added else ():
        if beyond := _foreign_rights(entry, known):
            yield msg("{user}, added through the Control API", beyond)
    for path in added["paths"] if added else ():
        yield msg("path {path}, added through the Control API", printable(path, _SHOWN))


def _rights_of(user: object) -> wire.UserRightsAnswer:
    """Return a relay file's user in the form of a running relay."""
    fields = user if isinstance(user, dict) else {}
    permissions = [p for p in _listed(fields.get("permissions")) if isinstance(p, dict)]
    rights = {f"{p.get('action')} {p.get('path') or ''}".rstrip() for p in permissions}
    return {
        "user": str(fields.get("user", "")),
        "rights": sorted(rights),
        "ips": sorted(map(_network, map(str, _listed(fields.get("ips"))))),
    }


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return text


def _foreign_rights(user: wire.UserRightsAnswer, known: Sequence[wire.UserRightsAnswer]) -> str:
    """Return a user and its foreign rights in words, if any."""
    agreed = [entry for entry in known if entry["user"] == user["user"]]
    if any(_covers(entry, user) for entry in agreed):
        return ""
    given = {right for entry in agreed for right in entry["rights"]}
    rights = [right for right in user["rights"] if right not in given] or user["rights"]
    who = "anybody without a login" if user["user"] == _ANYBODY else msg("user {name}", printable(user["user"], _SHOWN))
    may = ", ".join(printable(right, _SHOWN) for right in rights[:_NAMED]) or "nothing"
    return msg("{who} may {rights}", who, may) if user["ips"] else msg("{who} may {rights}, from anywhere", who, may)


def _covers(agreed: wire.UserRightsAnswer, user: wire.UserRightsAnswer) -> bool:
    is_from_there = not agreed["ips"] or (bool(user["ips"]) and set(user["ips"]) <= set(agreed["ips"]))
    return is_from_there and set(user["rights"]) <= set(agreed["rights"])
