"""Rules on one facility's devices, and on sites that push.

Results of rules on one facility's file are cached under the file's bytes. So a rule reads only that file (`SiteView`).
The day is the exception: its answers, and so the result, are valid for a known span of days.

A country has ten thousand facilities, nearly all valid, so a rule starts with the cheapest sufficient test.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from ipaddress import IPv4Address, IPv6Address

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import counted, msg
from provisioner.inventory.files.positions import KeyPath, Located
from provisioner.inventory.makes import MAKES, NoRtspPathError, stream_path
from provisioner.inventory.model.devices import Recorder, Stream, StreamName, channel_of
from provisioner.inventory.model.facility import ConnectionPlan, Facility, Operating
from provisioner.inventory.outline import Outline, PlanOutline, outline_of
from provisioner.inventory.rules.view import View


@dataclass(slots=True)
class Days:
    """Answers about today; they are the same from `since` until before `before`."""

    _today: date
    since: date = date.min
    before: date = date.max

    def is_to_come(self, day: date) -> bool:
        """Return whether a day is in the future."""
        if day > self._today:
            self.before = min(self.before, day)
            return True
        self.since = max(self.since, day)
        return False

    def has_passed(self, day: date) -> bool:
        """Return whether a day is over."""
        return day < date.max and not self.is_to_come(day + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class SiteView:
    """Argument of the rules on one facility's file."""

    facility: Facility
    days: Days
    source: Located | None = field(default=None, repr=False)  #: Positions of the values; `None` without a file.
    #: The facility's outline, if already computed; it has hashes and checked signatures.
    outline: Outline | None = field(default=None, repr=False)

    def problem(
        self, path: KeyPath, code: str, message: str, hint: str, *, severity: Severity = Severity.ERROR
    ) -> Problem:
        """Return a problem of this facility, with its position and name."""
        owner = f"facility/{self.facility.id}"
        text = msg("facility {id}: {message}", self.facility.id, message)
        if self.source is None:
            return Problem("", 0, 0, code, text, hint, owner, severity)
        return Problem(*self.source.at(path), code, text, hint, owner, severity)

    def warning(self, path: KeyPath, code: str, message: str, hint: str) -> Problem:
        """Return a problem that does not make the inventory invalid."""
        return self.problem(path, code, message, hint, severity=Severity.WARNING)

    def plans(self) -> Iterator[tuple[str, ConnectionPlan]]:
        """Yield the plan and the successor, if any, with their keys."""
        if self.facility.plan:
            yield "plan", self.facility.plan
        if self.facility.successor:
            yield "successor", self.facility.successor

    def signed(self, key: str) -> PlanOutline:
        """Return the outline of a plan: its signed content and the proofs."""
        outline = self.outline or outline_of(self.facility)
        plan = outline.plan if key == "plan" else outline.successor
        if plan is None:
            raise ValueError(msg("there is no {key}", key))
        return plan


SiteRule = Callable[[SiteView], Iterator[Problem]]


def device_ids_are_unique(site: SiteView) -> Iterator[Problem]:
    """Device ids are unique: ports and logins refer to them."""
    facility = site.facility
    names = [recorder.id for recorder in facility.recorders] + [camera.id for camera in facility.cameras]
    if len(set(names)) == len(names):
        return
    kinds: dict[str, str] = {}
    for kind, index, name in _device_names(facility):
        if name in kinds:
            message = msg("the id {name} is used twice: by a {kinds} and by a {kind}", name, kinds[name], kind[:-1])
            hint = "give one of the devices another id"
            yield site.problem((kind, index, "id"), "device-id-duplicate", message, hint)
        kinds.setdefault(name, kind[:-1])


def _device_names(facility: Facility) -> Iterator[tuple[str, int, str]]:
    for index, recorder in enumerate(facility.recorders):
        yield "recorders", index, recorder.id
    for index, camera in enumerate(facility.cameras):
        yield "cameras", index, camera.id


def recorders_exist(site: SiteView) -> Iterator[Problem]:
    """A channel's recorder is in the facility's file."""
    facility = site.facility
    ids = [recorder.id for recorder in facility.recorders]
    for index, camera in enumerate(facility.cameras):
        if camera.recorder and camera.recorder not in ids:
            message = msg("camera {id}: recorder {recorder} does not exist", camera.id, camera.recorder)
            hint = "list it under recorders; provisioner camera add: --recorder-address and --make"
            if ids:
                hint = msg("the recorders here are {known}", ", ".join(ids))
            yield site.problem(("cameras", index, "recorder"), "recorder-unknown", message, hint)


def channels_are_unique(site: SiteView) -> Iterator[Problem]:
    """A channel of a recorder is one camera."""
    facility = site.facility
    cameras: dict[tuple[str, int], str] = {}
    recorders = {recorder.id: recorder for recorder in facility.recorders}
    for index, camera in enumerate(facility.cameras):
        if not camera.recorder:
            continue
        channel = (camera.recorder, channel_of(camera, recorders.get(camera.recorder)))
        if channel in cameras:
            message = msg(
                "camera {id}: channel {channel} of {recorder} is also {cameras}",
                camera.id,
                channel[1],
                camera.recorder,
                cameras[channel],
            )
            hint = "correct the channel; on hybrid recorders IP channels begin after the analog ones"
            yield site.problem(("cameras", index, "channel"), "channel-duplicate", message, hint)
        cameras.setdefault(channel, camera.id)


def channels_exist(site: SiteView) -> Iterator[Problem]:
    """A channel exists; on hybrid recorders IP channels follow the analog ones."""
    facility = site.facility
    recorders = {recorder.id: recorder for recorder in facility.recorders}
    for index, camera in enumerate(facility.cameras):
        recorder = recorders.get(camera.recorder or "")
        if recorder is None:
            continue
        if camera.ip_channel is not None and recorder.analog_channels is None:
            message = msg(
                "camera {id}: ip_channel counts from the end of {id_2}'s analog channels", camera.id, recorder.id
            )
            hint = msg("write analog_channels at recorder {id}, or channel instead of ip_channel", recorder.id)
            yield site.problem(("cameras", index, "ip_channel"), "channel-unknown", message, hint)
        elif _last_channel(recorder) < channel_of(camera, recorder):
            key = "channel" if camera.ip_channel is None else "ip_channel"
            message = msg(
                "camera {id}: {id_2} has {analog_channels} analog and {ip_channels} IP channels; there "
                "is no channel {camera}",
                camera.id,
                recorder.id,
                recorder.analog_channels or 0,
                recorder.ip_channels or 0,
                channel_of(camera, recorder),
            )
            yield site.problem(("cameras", index, key), "channel-unknown", message, "correct the channel")


def _last_channel(recorder: Recorder) -> float:
    """Return the last channel; infinity if unknown."""
    if recorder.analog_channels is None and recorder.ip_channels is None:
        return math.inf
    return (recorder.analog_channels or 0) + (recorder.ip_channels or 0)


def recorders_bear_the_load(site: SiteView) -> Iterator[Problem]:
    """A recorder can serve all streams that relays may pull at once."""
    facility = site.facility
    # A backup relay pulls what somebody reads there when the other one is gone, and for a moment when it is checked.
    relays = len(facility.carried_plans) or 1
    for index, recorder in enumerate(facility.recorders):
        if recorder.max_sessions is None and recorder.max_out_kbps is None:
            continue
        streams = [
            stream
            for camera in facility.cameras
            if camera.recorder == recorder.id
            for stream in (camera.streams.sub, camera.streams.main)
            if stream
        ]
        sessions, kbps = len(streams) * relays, sum(stream.kbps or 0 for stream in streams) * relays
        if recorder.max_sessions is not None and sessions > recorder.max_sessions:
            opened = counted(sessions, "session")
            message = msg(
                "recorder {id}: we would open {opened}; it serves {max_sessions}",
                recorder.id,
                opened,
                recorder.max_sessions,
            )
            hint = "leave out main streams, or connect some cameras by their own address"
            path = ("recorders", index, "max_sessions")
            yield site.problem(path, "recorder-over-capacity", message, hint)
        if recorder.max_out_kbps is not None and kbps > recorder.max_out_kbps:
            message = msg(
                "recorder {id}: we would pull {kbps} kbit/s; it sends {max_out_kbps}",
                recorder.id,
                kbps,
                recorder.max_out_kbps,
            )
            hint = "contract lower rates, or leave out main streams"
            path = ("recorders", index, "max_out_kbps")
            yield site.problem(path, "recorder-over-capacity", message, hint)


def uplinks_bear_the_load(site: SiteView) -> Iterator[Problem]:
    """The line can carry the always pulled streams, once a relay."""
    facility = site.facility
    upload = facility.survey.uplink.upload_mbps if facility.survey else None
    if upload is None:
        return
    relays = len(facility.carried_plans) or 1
    subs = sum(_rate(camera.streams.sub) for camera in facility.cameras) * relays
    if any(plan.access.is_pushed for plan in facility.carried_plans):
        pushed = sum(_rate(stream) for camera in facility.cameras for _, stream in camera.streams.named) * relays
        if pushed > upload * 1000:
            message = msg(
                "the streams that are pushed need {pushed} Mbit/s; the line sends {upload}",
                f"{pushed / 1000:g}",
                f"{upload:g}",
            )
            hint = "contract lower rates, leave out main streams, or a faster line"
            path = ("survey", "uplink", "upload_mbps")
            yield site.warning(path, "uplink-over-capacity", message, hint)
        return
    # One open main stream would starve all other pictures of the site.
    needed = subs + max((_rate(camera.streams.main) for camera in facility.cameras), default=0) * relays
    message = ""
    if subs > upload * 1000:
        message = msg("the sub streams need {subs} Mbit/s; the line sends {upload}", f"{subs / 1000:g}", f"{upload:g}")
    elif needed > upload * 1000:
        message = msg(
            "the sub streams and one main stream need {needed} Mbit/s; the line sends {upload}",
            f"{needed / 1000:g}",
            f"{upload:g}",
        )
    if message:
        hint = "contract lower rates, or a faster line"
        path = ("survey", "uplink", "upload_mbps")
        yield site.warning(path, "uplink-over-capacity", message, hint)


def _rate(stream: Stream | None) -> int:
    return (stream.kbps or stream.least_kbps or 0) if stream else 0


def devices_stand_in_the_lan(site: SiteView) -> Iterator[Problem]:
    """Devices are in the gateway's LAN."""
    facility = site.facility
    if facility.gateway is None:
        return
    lan = facility.gateway.lan
    first, last = int(lan.network_address), int(lan.broadcast_address)
    edges = {first, last} if last - first > 1 else set()
    for path, device, address, _ in _devices(facility):
        if not first <= (number := int(address)) <= last:
            message = msg("{path}: {address} lies outside the LAN {lan}", _name(path, device), address, lan)
            hint = "correct the address or gateway.lan"
            yield site.problem((*path, "address"), "address-outside-lan", message, hint)
        elif number in edges:
            message = msg("{path}: {address} is the LAN's network or broadcast address", _name(path, device), address)
            yield site.problem((*path, "address"), "address-outside-lan", message, "correct the address")


def device_addresses_are_unique(site: SiteView) -> Iterator[Problem]:
    """A facility's devices have different addresses or ports."""
    facility = site.facility
    devices: dict[tuple[int, int], str] = {}
    for path, device, address, port in _devices(facility):
        # Numbers: an address takes longer to hash than all the rest.
        endpoint = int(address), port
        if endpoint in devices:
            message = msg(
                "{path}: {address} port {port} is also {devices}", _name(path, device), address, port, devices[endpoint]
            )
            hint = "correct one of the two; channels of a recorder name the recorder instead of an address"
            yield site.problem((*path, "address"), "address-duplicate", message, hint)
        else:
            devices[endpoint] = _name(path, device)


def onvif_ports_are_unique(site: SiteView) -> Iterator[Problem]:
    """An ONVIF port is used by no video and no other device."""
    facility = site.facility
    services = list(_onvif_services(facility))
    if not services:
        return
    owners = {
        (int(address), port): msg("the video of {device}", device) for _, device, address, port in _devices(facility)
    }
    for path, device, address, port in services:
        endpoint = int(address), port
        if endpoint in owners:
            message = msg(
                "{path}: ONVIF at {address} port {port} is also {owners}",
                _name(path, device),
                address,
                port,
                owners[endpoint],
            )
            hint = "write the port of the device's ONVIF service, as its network settings have it (often 80 or 8000)"
            yield site.problem((*path, "onvif"), "onvif-port-duplicate", message, hint)
        owners.setdefault(endpoint, msg("the ONVIF of {device}", device))


def _onvif_services(facility: Facility) -> Iterator[tuple[KeyPath, str, IPv4Address, int]]:
    """Yield devices with ONVIF: path, id, address, ONVIF port."""
    for index, recorder in enumerate(facility.recorders):
        if recorder.onvif:
            yield ("recorders", index), recorder.id, recorder.address, recorder.onvif.port
    for index, camera in enumerate(facility.cameras):
        if camera.address and camera.onvif:
            yield ("cameras", index), camera.id, camera.address, camera.onvif.port


def _devices(facility: Facility) -> Iterator[tuple[KeyPath, str, IPv4Address, int]]:
    """Yield devices with an address: path, id, address, port."""
    for index, recorder in enumerate(facility.recorders):
        yield ("recorders", index), recorder.id, recorder.address, recorder.port
    for index, camera in enumerate(facility.cameras):
        if camera.address:
            yield ("cameras", index), camera.id, camera.address, camera.port


def _name(path: KeyPath, device: str) -> str:
    return f"{'recorder' if path[0] == 'recorders' else 'camera'} {device}"


def streams_have_paths(site: SiteView) -> Iterator[Problem]:
    """Every stream has an RTSP path, written or by its make."""
    facility = site.facility
    makes = {recorder.id: recorder.make for recorder in facility.recorders}
    for index, camera in enumerate(facility.cameras):
        make = makes.get(camera.recorder) if camera.recorder else camera.make
        if make is None or make in MAKES:
            continue
        for name in StreamName:
            if name is StreamName.MAIN and camera.streams.main is None:
                continue
            try:
                stream_path(facility, camera, name)
            except NoRtspPathError as error:
                path = ("cameras", index, "streams", name.value)
                message = msg("camera {id}: stream {value}: {error}", camera.id, name.value, error)
                hint = (
                    "write rtsp_path: the path and query of the device's RTSP address, without host and login"
                    " (provisioner camera add: --sub-path, --main-path)"
                )
                yield site.problem(path, "rtsp-path-missing", message, hint)


def carriers_let_sites_push(view: View) -> Iterator[Problem]:
    """Sites push only if the carrier's file opens a port."""
    for owner, key, facility, plan in view.plans():
        carrier = view.inventory.carriers.get(plan.carrier)
        is_open = carrier is None or carrier.publishers is not None
        if plan.access.is_pushed and not is_open and facility.operating is not Operating.CLOSED:
            message = msg(
                "its {key} is to push to {relay}, and {carrier} lets no site push", key, plan.relay, plan.carrier
            )
            hint = msg(
                "write publishers in carriers/{carrier}.yml, which opens port 8322 of its relays; or "
                "agree another access",
                plan.carrier,
            )
            yield view.problem(owner, (key, "access"), "publish-not-open", message, hint)


def relays_of_pushing_sites_have_an_endpoint(view: View) -> Iterator[Problem]:
    """A relay for pushing sites has an IPv4 endpoint or a name."""
    for owner, key, _, plan in view.plans():
        _, relay = view.relays_by_id.get(plan.relay, (None, None))
        if plan.access.is_pushed and relay is not None and isinstance(relay.wireguard_endpoint, IPv6Address):
            message = msg(
                "its {key} is to push to {relay}, whose endpoint {wireguard_endpoint} is of IPv6",
                key,
                plan.relay,
                relay.wireguard_endpoint,
            )
            hint = msg(
                "write under endpoint of {relay} an address of IPv4, or a name; or agree another access", plan.relay
            )
            yield view.problem(owner, (key, "relay"), "publish-endpoint-unfit", message, hint)


def sites_push_from_where_they_may(view: View) -> Iterator[Problem]:
    """A pushing site's addresses are in the carrier's publishers' networks, if any."""
    for owner, facility in view.facilities() if any(c.publishers for c in view.inventory.carriers.values()) else ():
        for carrier in {plan.carrier for plan in facility.carried_plans if plan.access.is_pushed}:
            entry = view.inventory.carriers.get(carrier)
            networks = entry.publishers.networks if entry and entry.publishers else ()
            for index, address in enumerate(facility.public_addresses):
                if networks and not any(IPv4Address(address) in network for network in networks):
                    message = msg(
                        "it pushes from {address}, which is outside the networks that {carrier} lets push",
                        address,
                        carrier,
                    )
                    hint = msg(
                        "correct it, or add its network to publishers.networks in carriers/{carrier}.yml", carrier
                    )
                    path = ("gateway", "public_addresses", index)
                    yield view.problem(owner, path, "public-address-outside", message, hint)


SITE_RULES: tuple[SiteRule, ...] = (
    device_ids_are_unique,
    recorders_exist,
    channels_are_unique,
    channels_exist,
    recorders_bear_the_load,
    uplinks_bear_the_load,
    devices_stand_in_the_lan,
    device_addresses_are_unique,
    onvif_ports_are_unique,
    streams_have_paths,
)
RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    carriers_let_sites_push,
    relays_of_pushing_sites_have_an_endpoint,
    sites_push_from_where_they_may,
)
