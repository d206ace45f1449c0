"""Addresses, LANs, picture sizes and RTSP paths, as people and as Excel write them."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from provisioner.base.private_text import path_holds_login, unknown_references
from provisioner.base.vietnamese import clean, fold
from provisioner.importing.cells.findings import error, warning
from provisioner.importing.cells.grid import Cell
from provisioner.importing.forms.values import CellReading

_RTSP_PATH = re.compile(r"/[\x21-\x7e]*")
_SIZE = re.compile(r"([0-9]{2,4})\s*[x\u00d7*]\s*([0-9]{2,4})(?:\s*p(?:ixels?|x)?)?", re.IGNORECASE)
_SIZES = {  # names that mean one size; 2K, 4MP and 5MP are several
    **dict.fromkeys(("1080p", "fullhd", "fhd", "2mp"), (1920, 1080)),
    **dict.fromkeys(("720p", "hd", "1mp"), (1280, 720)),
    **dict.fromkeys(("4k", "uhd", "8mp", "2160p"), (3840, 2160)),
    "d1": (704, 576),
    "cif": (352, 288),
    "vga": (640, 480),
}
_LEAST_WIDTH, _MOST_WIDTH, _MOST_HEIGHT = 16, 7680, 4320


def address(cell: Cell) -> CellReading:
    """Read an IPv4 address of a site's LAN."""
    if not isinstance(cell.value, str):
        return CellReading(None, (error("address-number"),))
    text = clean(cell.value)
    if re.fullmatch(r"[0-9]{9,12}|[0-9]{1,6}[.,][0-9]{1,6}|[0-9.,]+e\+?[0-9]+", text, re.IGNORECASE):
        return CellReading(None, (error("address-number"),))
    if re.fullmatch(r"[0-9.]+:[0-9]+", text):
        return CellReading(None, (error("address-port"),))
    if re.fullmatch(r"0*[0-9]{1,3}(?:[.]0*[0-9]{1,3}){3}", text) and re.search(r"(?:^|[.])0[0-9]", text):
        return CellReading(None, (error("address-zeros"),))
    try:
        parsed = IPv4Address(text)
    except AddressValueError:
        return CellReading(None, (error("address-form"),))
    return CellReading(str(parsed), () if parsed.is_private else (warning("address-public"),))


def network(cell: Cell) -> CellReading:
    """Read a LAN, e.g. 192.168.1.0/24."""
    text = clean(cell.value) if isinstance(cell.value, str) else ""
    try:
        lan = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return CellReading(None, (error("network-form"),))
    if "/" not in text:
        return CellReading(None, (error("network-form"),))
    if not text.startswith(f"{lan.network_address}/"):
        return CellReading(None, (error("network-host", network=lan),))
    return CellReading(str(lan))


def picture_size(cell: Cell) -> CellReading:
    """Read width and height in pixels, or a name that means one size."""
    text = clean(cell.text)
    written = _SIZE.fullmatch(text)
    size = (int(written[1]), int(written[2])) if written else _SIZES.get(fold(text).replace("-", ""))
    if size is None:
        return CellReading(None, (error("size-form"),))
    if not (_LEAST_WIDTH <= size[0] <= _MOST_WIDTH and _LEAST_WIDTH <= size[1] <= _MOST_HEIGHT):
        return CellReading(None, (error("size-form"),))
    return CellReading(size)


def rtsp_path(cell: Cell) -> CellReading:
    """Read the path and query of an RTSP address; logins in it are refused, host and port as well.

    `{username}` and `{password}` may stand for the login: they are filled in on the relay.
    """
    text = cell.text.strip()
    if path_holds_login(text):
        return CellReading(None, (error("password-in-text"),))
    fits = _RTSP_PATH.fullmatch(text) and not unknown_references(text)
    return CellReading(text) if fits else CellReading(None, (error("rtsp-path-form"),))
