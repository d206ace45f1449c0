"""Devices: how hosts reach them, and their accounts of themselves. Pure.

docs/internals/verify.md says how an account (ONVIF) is compared with the inventory. A clock is wrong if it is off by
more than 30 s, in UTC or in the picture.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address, ip_address
from typing import Final

from provisioner.base.errors import UnreadableError, raised_as
from provisioner.base.text import msg
from provisioner.desired.spec import ProbedDevice
from provisioner.hosts.answers import wire
from provisioner.verify import result
from provisioner.verify.paths import PathToCheck
from provisioner.verify.result import SILENT

Device = tuple[str, int]

_MOST_OFF_S: Final = 30.0
# Vietnam's, without summer time: what a picture's clock has to show, beside UTC.
_ZONE_S: Final = 7 * 3600
_SECONDS_SAID, _MINUTES_SAID = 120, 7200
_Fault = tuple[result.Cause, str]
_NOT_ASKED: Final = result.DeviceAccount(result.NOT_ASKED)
# Relays cut what devices say (`LONGEST_WORD` of `onvif.messages`).
_LONGEST_WORD: Final = 100
# No picture is larger.
_LARGEST: Final = 65_535

Accounts = Mapping[str, Mapping[str, result.DeviceAccount]]  #: Accounts by relay and device.


@dataclass(frozen=True, slots=True)
class CloserLook:
    """A host's closer look."""

    #: By address and port (0: any), as `said` and `drops`.
    icmp: Mapping[Device, wire.IcmpAnswer] = field(default_factory=dict)
    said: Mapping[Device, wire.DeviceReplyAnswer] = field(default_factory=dict)
    gateways: Mapping[str, wire.GatewayEvidenceAnswer] = field(default_factory=dict)  #: By address.
    drops: Mapping[Device, wire.DropAnswer] = field(default_factory=dict)
    tunnel_drop: wire.DropAnswer | None = None  #: The chain that drops the tunnel's own packets.
    chains: Sequence[wire.BaseChainAnswer] = ()

    def drop_of(self, device: Device) -> wire.DropAnswer | None:
        """Return the chain that drops a device's packets, if any."""
        return self.drops.get(device) or self.drops.get((device[0], 0))

    def too_large(self, address: str) -> int | None:
        """Return the packet size that fails although small ones pass, if any."""
        gateway = self.gateways.get(address)
        return gateway["size"] if gateway and gateway["small"] and not gateway["full"] else None


NOTHING_CLOSER = CloserLook()  #: No closer look, or no result.


@dataclass(frozen=True, slots=True)
class _AccountRequest:
    """A device to ask, with one of its paths."""

    relay: str
    carrier: str
    device: ProbedDevice
    target: PathToCheck


def closer_look_in(
    look: wire.CloserLookAnswer | None,
    devices: Iterable[wire.DeviceEvidenceAnswer],
    chains: Sequence[wire.BaseChainAnswer] = (),
) -> CloserLook:
    """Parse a host's closer look and devices' answers, or raise `UnreadableError`."""
    listed = [(device_in(device), device) for device in devices]
    drops = [((_either_address(row["address"]), row["port"]), row) for row in look["drops"] or ()] if look else []
    return CloserLook(
        icmp={
            endpoint: {**answer["icmp"], "sender": _address(answer["icmp"]["sender"])}
            for endpoint, answer in listed
            if "icmp" in answer
        },
        said={endpoint: answer["said"] for endpoint, answer in listed if "said" in answer},
        gateways={_address(row["address"]): row for row in look["gateways"]} if look else {},
        drops={endpoint: row for endpoint, row in reversed(drops) if not row["tunnel"]},
        tunnel_drop=next((row for _, row in drops if row["tunnel"]), None),
        chains=chains,
    )


def device_in(answer: wire.EndpointAnswer | wire.DeviceEvidenceAnswer) -> Device:
    """Return the address and port of an answer."""
    return answer["address"], answer["port"]


def _address(text: str) -> str:
    with raised_as(UnreadableError("the closer look has an invalid address"), AddressValueError):
        return str(IPv4Address(text))


def _either_address(text: str) -> str:
    """Normalize an IPv4 or IPv6 address: the tunnel's packets may use either."""
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or getattr(address, "scope_id", None):
        raise UnreadableError("the closer look has an invalid address")
    return str(address)


def chain_name(chain: wire.DropAnswer | wire.BaseChainAnswer) -> str:
    """Return the table and the chain in words."""
    table = f"{chain['family']} {chain['table']}"
    return f"table {table}, chain {chain['chain']}"


def device_reports(
    targets: Sequence[PathToCheck], rounds: Sequence[Accounts], unsure: frozenset[str] = frozenset()
) -> tuple[result.DeviceReport, ...]:
    """Return asked devices' reports by name; clocks at `unsure` relays stay unknown."""
    requests = _account_requests(targets)
    owners = {
        _normalized(request.device.serial): request.device.name
        for request in requests.values()
        if request.device.serial
    }
    reports = []
    for (relay, name), request in sorted(requests.items(), key=lambda item: (item[0][1], item[0][0])):
        accounts = [accounts[relay][name] for accounts in rounds if name in accounts.get(relay, {})]
        reports.append(_device_report(request, _last(accounts), owners, knows_time=relay not in unsure))
    return tuple(reports)


def _account_requests(targets: Iterable[PathToCheck]) -> dict[tuple[str, str], _AccountRequest]:
    requests: dict[tuple[str, str], _AccountRequest] = {}
    by_relay: dict[str, Mapping[str, ProbedDevice]] = {}
    for target in targets:
        relay = target.relay
        if relay.id not in by_relay:
            by_relay[relay.id] = {probed.name: probed for probed in (relay.relay.asked if relay.relay else ())}
        device = by_relay[relay.id].get(f"{target.path.facility}/{target.path.device}")
        if device is not None:
            requests.setdefault((relay.id, device.name), _AccountRequest(relay.id, target.carrier, device, target))
    return requests


def _last(accounts: Sequence[result.DeviceAccount]) -> result.DeviceAccount:
    """Return the last successful account, else the first failed one."""
    successful = [account for account in accounts if account.outcome == result.TOLD]
    return (
        successful[-1]
        if successful
        else next((failed for failed in accounts if failed.outcome != result.NOT_ASKED), _NOT_ASKED)
    )


def _device_report(
    request: _AccountRequest, account: result.DeviceAccount, owners: Mapping[str, str], *, knows_time: bool
) -> result.DeviceReport:
    device = request.device
    owner = _owner_beside(request, account, owners) if account.outcome == result.TOLD else ""
    another = _misled(device, account, owner) if owner else ""
    another = another or (_other_device_proof(device, account, owners) if account.outcome == result.TOLD else "")
    clock = account.clock if knows_time else None
    off = (None, None) if clock is None else (_off_s(clock, clock["utc"], 0), _off_s(clock, clock["shown"], _ZONE_S))
    layer = result.Layer.CAMERA if request.target.path.device == request.target.path.camera else result.Layer.RECORDER
    return result.DeviceReport(
        facility=device.facility,
        province=device.province,
        device=device.device,
        relay=request.relay,
        carrier=request.carrier,
        layer=layer,
        state=_device_state(device, account, another=bool(another)),
        detail=another or _why_not(account),
        model=account.model,
        serial=account.serial,
        firmware=account.firmware,
        clock_off_s=off[0],
        shown_off_s=off[1],
        findings=tuple(
            result.Finding(cause, layer, device.name, text) for cause, text in _device_faults(device, account, off)
        ),
        misled=bool(owner),
    )


def _owner_beside(request: _AccountRequest, account: result.DeviceAccount, owners: Mapping[str, str]) -> str:
    device, path = request.device, request.target.path
    if not (device.serial and account.serial and path.access.has_tunnel):
        return ""
    owner = owners.get(_normalized(account.serial), "")
    return owner if owner.partition("/")[0] == path.facility and owner != device.name else ""


def _misled(device: ProbedDevice, account: result.DeviceAccount, owner: str) -> str:
    return msg(
        "the gateway leads its port to {owner}: serial number {serial} answers, not {serial_2}",
        owner,
        account.serial,
        device.serial,
    )


def _device_state(device: ProbedDevice, account: result.DeviceAccount, *, another: bool) -> result.DeviceState:
    if account.outcome in {result.NOT_ASKED, result.NOT_RUN}:
        return result.DeviceState.NOT_ASKED
    if account.outcome in {result.REFUSED, result.REFUSED_BEFORE}:
        return result.DeviceState.LOGIN_REFUSED
    if another:
        return result.DeviceState.ANOTHER
    lacks = (device.serial and not account.serial) or (device.model and not account.model)
    if account.outcome != result.TOLD or lacks:
        return result.DeviceState.NOT_TOLD
    return result.DeviceState.AS_AGREED if device.serial or device.model else result.DeviceState.NOT_COMPARED


def _other_device_proof(device: ProbedDevice, account: result.DeviceAccount, owners: Mapping[str, str]) -> str:
    serial, model = account.serial, account.model
    if device.serial and serial and _normalized(device.serial) != _normalized(serial):
        owner = owners.get(_normalized(serial))
        if owner is not None and owner != device.name:
            return msg("it reports serial number {serial} of {owner}, not {serial_2}", serial, owner, device.serial)
        return msg(
            "it reports serial number {serial}, not {serial_2}: it was replaced, or another device has its address",
            serial,
            device.serial,
        )
    if device.model and model and _plain(device.model) != _plain(model):
        return msg(
            "it reports model {model}, not {model_2}: it was replaced, or another device has its address",
            model,
            device.model,
        )
    return ""


def _normalized(text: str) -> str:
    """Normalize a device's word: one bounded line without case."""
    return " ".join(text.split())[:_LONGEST_WORD].rstrip().casefold()


def _plain(model: str) -> str:
    """Return a model without blanks and case, whose spelling varies."""
    return "".join(_normalized(model).split())


def _why_not(account: result.DeviceAccount) -> str:
    """Return why a device gave no account; empty if it did."""
    outcome, detail = account.outcome, account.detail or "no details are known"
    if outcome in {result.TOLD, result.NOT_ASKED}:
        return ""
    if outcome == result.REFUSED_BEFORE and account.detail:
        return "its login was refused or not answered by ONVIF within the last hour, and is not tried in it again"
    if outcome in {result.REFUSED, result.REFUSED_BEFORE}:
        return "the device accepts the login for pictures and refuses it for ONVIF, which is not tried again by itself"
    if outcome == result.NOT_RUN:
        return msg("it could not be asked by ONVIF: {detail}", detail)
    if outcome == SILENT:
        return msg("it does not answer ONVIF: {detail}", detail)
    return msg("it does not answer as ONVIF has it: {detail}", detail)


def _device_faults(
    device: ProbedDevice, account: result.DeviceAccount, off: tuple[int | None, int | None]
) -> Iterator[_Fault]:
    if account.outcome in {SILENT, result.NO_ANSWER, result.REFUSED, result.REFUSED_BEFORE}:
        yield result.Cause.ACCOUNT_LACKING, _why_not(account)
    elif account.outcome == result.TOLD:
        if lacking := [field for field, is_there in _wanted_facts(device, account) if not is_there]:
            yield result.Cause.ACCOUNT_LACKING, _lacking_text(lacking, account)
        yield from _profile_faults(device, account)
    yield from _clock_faults(*off)


def _lacking_text(missing: Sequence[str], account: result.DeviceAccount) -> str:
    lacking = ", ".join(missing)
    if not account.detail:
        return msg("it does not tell {lacking}", lacking)
    return msg("it does not tell {lacking}: its user lacks the right to see its media profiles", lacking)


def _wanted_facts(device: ProbedDevice, account: result.DeviceAccount) -> Iterator[tuple[str, bool]]:
    if device.model:
        yield "model", bool(account.model)
    if device.serial:
        yield "serial number", bool(account.serial)
    if device.profile:
        yield "media profiles", account.profile is not None


def _profile_faults(device: ProbedDevice, account: result.DeviceAccount) -> Iterator[_Fault]:
    profile = account.profile
    if not device.profile or profile is None:
        return
    size = min(profile["width"], _LARGEST), min(profile["height"], _LARGEST)
    if not profile["there"]:
        names = ", ".join(profile["names"]) or "none"
        detail = msg("it has no media profile {profile}; the first that it has: {names}", device.profile, names)
        yield result.Cause.PROFILE_DIFFERS, detail
    elif device.size and all(size) and size not in {device.size, device.former_size}:
        is_set, agreed = (f"{width}x{height}" for width, height in (size, device.size))
        detail = msg(
            "its media profile {profile} is set to {is_set}, and {agreed} was agreed", device.profile, is_set, agreed
        )
        yield result.Cause.PROFILE_DIFFERS, detail


def _off_s(clock: wire.DeviceClockAnswer, moment: int | None, zone_s: int) -> int | None:
    """Return how many seconds a clock is certainly ahead; below 0 behind.

    A device shows whole seconds, and its answer takes time. `zone_s` is the expected difference from UTC.
    """
    if moment is None:
        return None
    ahead, behind = moment - zone_s - clock["after"], clock["before"] - (moment + 1 - zone_s)
    return round(max(ahead, 0.0) or -max(behind, 0.0))


def _clock_faults(utc_off_s: int | None, shown_off_s: int | None) -> Iterator[_Fault]:
    if utc_off_s is not None and abs(utc_off_s) > _MOST_OFF_S:
        yield result.Cause.DEVICE_CLOCK_OFF, _clock_text(utc_off_s)
    elif shown_off_s is not None and abs(shown_off_s) > _MOST_OFF_S:
        yield result.Cause.DEVICE_CLOCK_OFF, _zone_text(shown_off_s)


def _clock_text(off_s: int) -> str:
    span = _span_text(off_s)
    if off_s > 0:
        return msg("its clock is ahead by {by} or more", span)
    return msg("its clock is behind by {by} or more", span)


def _zone_text(off_s: int) -> str:
    span = _span_text(off_s)
    if off_s > 0:
        return msg("the time in its picture is ahead of Vietnam's by {by} or more", span)
    return msg("the time in its picture is behind Vietnam's by {by} or more", span)


def _span_text(off_s: int) -> str:
    seconds = abs(off_s)
    if seconds < _SECONDS_SAID:
        return f"{seconds} s"
    if seconds < _MINUTES_SAID:
        return msg("{seconds} minutes", f"{seconds / 60:.0f}")
    return msg("{seconds} hours", f"{seconds / 3600:.0f}")


# --- effects on paths -----------------------------------------------------------------------------
def by_device(reports: Iterable[result.DeviceReport]) -> Mapping[tuple[str, str], result.DeviceReport]:
    """Return reports by relay and device."""
    return {(report.relay, report.name): report for report in reports}


def with_account(
    verdict: result.PathVerdict, target: PathToCheck, reports: Mapping[tuple[str, str], result.DeviceReport]
) -> result.PathVerdict:
    """Degrade a verdict if the picture comes from another device than agreed.

    The detail keeps other causes of degradation. A path that is down or unknown stays so. If the gateway leads the port
    to another device of the site, what that one refuses is no fault of the path's own device.
    """
    report = reports.get((target.relay.id, f"{target.path.facility}/{target.path.device}"))
    if report is None or report.state is not result.DeviceState.ANOTHER:
        return verdict
    flows = verdict.verdict in {result.Verdict.UP, result.Verdict.DEGRADED}
    if report.misled and (flows or verdict.cause in result.OF_ANOTHER_DEVICE):
        return _with_wrong_map(verdict, report)
    if not flows:
        return verdict
    other_cause = (
        (" " + msg("(besides, {value}: {detail})", verdict.cause.value, verdict.detail)) if verdict.cause.value else ""
    )
    return replace(
        verdict,
        verdict=result.Verdict.DEGRADED,
        finding=result.Finding(result.Cause.ANOTHER_DEVICE, report.layer, report.name, f"{report.detail}{other_cause}"),
    )


def _with_wrong_map(verdict: result.PathVerdict, report: result.DeviceReport) -> result.PathVerdict:
    is_quarantined = verdict.verdict is result.Verdict.QUARANTINED
    detail = report.detail
    if is_quarantined:
        detail = msg("{detail}; then provisioner quarantine lift", detail)
    is_good = verdict.verdict is result.Verdict.UP
    return replace(
        verdict,
        verdict=result.Verdict.DEGRADED if is_good else verdict.verdict,
        finding=result.Finding(
            result.Cause.PORT_MAP_WRONG, result.Layer.SITE, report.name, detail, verdict.finding.level
        ),
    )
