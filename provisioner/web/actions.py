"""What somebody does next about a cause: one sentence each, the same as in docs/watching.md. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from provisioner.base.language import Translator
from provisioner.verify.result import Cause

_RELAY: Final = "the relay: look at provisioner plan, then apply"
_PICTURE: Final = "the camera: lens, cover, light and cable"

_ACTIONS: Final[Mapping[Cause, str]] = {
    Cause.HOST_UNREACHABLE: "whoever runs the host: it cannot be reached over SSH",
    Cause.RELAY_STOPPED: _RELAY,
    Cause.FIREWALL: _RELAY,
    Cause.FOREIGN_FIREWALL: "whoever set that table, on the host that is named",
    Cause.TUNNEL_DOWN: "the site's line and its gateway",
    Cause.PACKETS_TOO_LARGE: "the carrier: the line's MTU",
    Cause.SITE_NETWORK_DOWN: "the site: LAN cable, switch and power",
    Cause.NOT_FORWARDED: "the gateway: IP forwarding, and its own rules",
    Cause.CARRIER_NETWORK_DOWN: "the carrier: its route to the site, and the site's line",
    Cause.CARRIER_OR_CAMERA: "the site: does the device run; then the carrier: its route, and what filters on the way",
    Cause.PORT_MAP_MISSING: "the gateway: install its newest site package",
    Cause.PORT_MAP_OR_CAMERA: "the gateway: install its newest site package, which tells",
    Cause.ADDRESS_MAP_MISSING: "the gateway: install its newest site package",
    Cause.ADDRESS_MAP_OR_CAMERA: "the gateway: install its newest site package, which tells",
    Cause.SITE_SILENT: "the site: its line, its power, and its gateway's log",
    Cause.PUBLISHER_REFUSED: "the gateway: install its newest site package",
    Cause.NOT_PUBLISHED: "the site: its gateway's log says why",
    Cause.CAMERA_REFUSES: "the camera: is RTSP on, and on that port?",
    Cause.CAMERA_UNPLUGGED: "the camera: power, cable and address",
    Cause.CAMERA_SHUT: "the camera: its own filter; otherwise restart it",
    Cause.CAMERA_HUNG: "the camera: restart it",
    Cause.WRONG_ANSWER: "the camera's settings, and the port in the inventory",
    Cause.WRONG_PASSWORD: "whoever set the password: correct it in secrets/ and apply",
    Cause.NO_SUCH_STREAM: "the inventory: channel and make",
    Cause.SILENT: "the camera, or its recorder's input",
    Cause.PICTURE_DIFFERS: "the camera's settings, or the inventory",
    Cause.SENDS_SOUND: "the camera's settings: nobody asked for sound",
    Cause.BLACK_PICTURE: _PICTURE,
    Cause.FLAT_PICTURE: _PICTURE,
    Cause.NO_VIDEO: "the recorder's input, or the camera behind it",
    Cause.PICTURE_REPEATS: "the camera: restart it",
    Cause.CORRUPT: "the camera, or its line",
    Cause.TIME_STUCK: "the camera, or its line",
    Cause.RATE_TOO_LOW: "the camera, or its line",
    Cause.STARVED: "the line that is named: it does not bear what is sent",
    Cause.REDIRECTED: "the camera: somebody may have changed it",
    Cause.ANOTHER_DEVICE: "the device: is it the one of the inventory, and in its place?",
    Cause.PROFILE_DIFFERS: "the camera's settings, or the inventory",
    Cause.DEVICE_CLOCK_OFF: "the camera: its clock, time zone and time server",
    Cause.ACCOUNT_LACKING: "the camera: is ONVIF on, with a user of its own?",
    Cause.CENTRE_CANNOT_READ: "the connection between the relay and the centre",
    Cause.HUB_CANNOT_SERVE: "the hub at the centre: its MediaMTX, and its login at the relay",
    Cause.ANOTHER_CERTIFICATE: "the relay: apply, so that it shows its own certificate",
    Cause.DRIFT: "look at provisioner plan, then apply",
    Cause.HELD: "the facility's file: see provisioner validate",
    Cause.FLAPPING: "the camera's power and line",
    Cause.NOT_CHECKED: "verify again: nobody could look",
    Cause.CANNOT_CHECK: "the host: the detail says what it lacks",
    Cause.DISK_FULL: "the host: make room",
    Cause.CLOCK_OFF: "the host: set its clock",
    Cause.ANOTHER_FIREWALL: "the host: let our ports in there too, or switch it off",
    Cause.CERTIFICATE_ENDS: "whoever keeps the inventory: renew the certificate, and apply",
    Cause.UNKNOWN: "see the detail",
}
ACTIONS: Final = tuple(sorted(set(_ACTIONS.values())))
"""Every such sentence, for the catalogue."""


def next_action(cause: str, t: Translator) -> str:
    """What to do about a cause; empty where there is nothing."""
    try:
        sentence = _ACTIONS.get(Cause(cause))
    except ValueError:
        return ""
    return t(sentence) if sentence else ""
