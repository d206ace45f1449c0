"""A sheet as it is handed out: as a PDF of two pages that says what the page does, with codes to scan."""

import html
import io
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image, ImageOps
from pypdf import PdfReader

from provisioner.base.errors import RenderError
from provisioner.desired.render.sheet_pdf import code_rows, sheet_pdf
from provisioner.desired.render.site import SitePackage, render_closed_site, render_site, with_printed_sheets
from provisioner.desired.sites import site_spec
from provisioner.desired.spec import SiteSpec
from provisioner.inventory.model.facility import GatewaySystem
from provisioner.inventory.model.inventory import Inventory
from tests import fleets, inventories
from tests.web.browsers import chromium

SITE = "kcl-bg-001"
PSK_OR_KEY = re.compile(r"[A-Za-z0-9+/]{43}=")


def inventory(system: str, cameras: int = 3, access: str = "pull_portmap", *, changes_key: bool = False) -> Inventory:
    gateway = inventories.facility(SITE)["gateway"] | {"system": system}
    if changes_key:
        gateway["next_key"] = {"since": "2021-06-01"}
    plan = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1", "access": access}
    plan["backup_relay"] = "relay-viettel-2"
    relays = [inventories.relay("relay-viettel-1", 11), inventories.relay("relay-viettel-2", 12)]
    carrier = inventories.carrier(relays=relays, routed_networks=["10.120.0.0/16"])
    if access == "routed":
        own = [inventories.camera(f"cam-{n:02}", n + 9) for n in range(1, cameras + 1)]
        site = fleets.routed(SITE, cameras=own)
    else:
        site = fleets.facility(SITE, cameras, gateway=gateway, plan=plan)
    return fleets.complete(inventories.inventory(carriers=[carrier], facilities=[site]))


def spec_of(whole: Inventory) -> SiteSpec:
    return site_spec(whole, fleets.secrets_of(whole), whole.facilities[SITE])


def handed_out(whole: Inventory) -> dict[str, bytes]:
    """A site's package as it is handed out."""
    package = SitePackage(render_site(spec_of(whole), fleets.templates(), fleets.VALID))
    return {file.path: file.content for file in with_printed_sheets(package).files}


def squeezed(text: str) -> str:
    """A text without what lines and boxes make of it."""
    return re.sub(r"[\s\u274f]+|(?<=\s)\d\.", "", text)


def pages(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


def scanned(text: str) -> str:
    """What a reader of codes reads off the printed modules."""
    rows = code_rows(text)
    picture = Image.new("L", (len(rows), len(rows)), 255)
    picture.putdata([0 if dark else 255 for row in rows for dark in row])
    large = ImageOps.expand(picture.resize((len(rows) * 4,) * 2, Image.Resampling.NEAREST), 16, 255)
    (found,) = zxingcpp.read_barcodes(large)
    return str(found.text)


def codes(page: bytes) -> list[str]:
    return [html.unescape(text) for text in re.findall(r'data-text="([^"]*)"', page.decode())]


def blocks(page: bytes) -> list[list[str]]:
    """The texts of each article, piece by piece."""
    found = re.findall(r"<article.*?</article>", page.decode(), re.DOTALL)
    return [re.findall(r"<(?:h1|h2|p|li|th|td)\b[^>]*>(.*?)</(?:h1|h2|p|li|th|td)>", one, re.DOTALL) for one in found]


SHEETS: Mapping[str, Callable[[], Inventory]] = {
    **{f"{system}-{count}": partial(inventory, system, count) for system in GatewaySystem for count in (1, 40)},
    **{f"change-{system}": partial(inventory, system, changes_key=True) for system in GatewaySystem},
    "addresses": partial(inventory, "wireguard", 60, "pull_nat_map"),
    "routed": partial(inventory, "linux", 12, "routed"),
}


@pytest.mark.parametrize("name", ["linux-1", "wireguard-40", "change-routeros", "routed"])
def test_the_pdf_has_two_pages_a_language_each_and_says_what_the_page_says(name: str) -> None:
    files = handed_out(SHEETS[name]())
    shown = pages(files["setup.pdf"])
    assert len(shown) == 2
    for page, texts in zip(shown, blocks(files["setup.html"]), strict=True):
        said = squeezed(page)
        missing = [text for text in texts if squeezed(html.unescape(re.sub(r"<[^>]*>", "", text))) not in said]
        assert missing == []
    assert "phiếu lắp đặt" in shown[1] or "phiếu đổi khóa" in shown[1], "Vietnamese letters are there, and can be found"


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_what_takes_a_gateway_down_has_a_sheet_for_print_too(system: GatewaySystem) -> None:
    files = {f.path: f.content for f in with_printed_sheets(render_closed_site(SITE, fleets.templates(), system)).files}
    first, second = pages(files["take-down.pdf"])
    assert "take-down sheet" in first
    assert "phiếu gỡ bỏ" in second
    assert "never expires" in files["manifest.yml"].decode()


def test_the_same_sheet_is_the_same_bytes_and_all_its_letters_travel_with_it() -> None:
    one, two = (handed_out(inventory("linux"))["setup.pdf"] for _ in range(2))
    assert one == two
    fonts = {
        str(font["/BaseFont"]): "/FontFile2" in font.get("/FontDescriptor", {})
        for page in PdfReader(io.BytesIO(one)).pages
        for font in (one.get_object() for one in page["/Resources"].get_object()["/Font"].values())  # type: ignore[index]
    }
    # The other ones are of every reader's own, and hold no letter of Vietnamese.
    assert {name.partition("+")[2] for name, embedded in fonts.items() if embedded} == {
        "OpenSans-Regular",
        "OpenSans-Bold",
    }
    bare = {name for name, embedded in fonts.items() if not embedded}
    assert bare <= {"/Courier", "/ZapfDingbats", "/Helvetica"}


@pytest.mark.parametrize("name", ["linux-1", "openwrt-40", "routeros-40"])
def test_the_code_of_a_sheet_is_the_commands_of_its_tests(name: str) -> None:
    page = handed_out(SHEETS[name]())["setup.html"]
    first, second = codes(page)
    assert first == second
    assert len(first.encode()) <= 400
    assert scanned(first) == first
    cells = [html.unescape(text) for text in re.findall(r"<td><code>(.*?)</code></td>", page.decode())]
    lines = first.splitlines()
    assert lines[:3] == cells[:3]
    assert all(re.match(r"nc |/system telnet", line) for line in lines[3:])
    assert page.decode().count("<svg") == 2


def test_the_code_of_a_wireguard_sheet_is_the_tunnel_without_a_secret() -> None:
    whole = SHEETS["wireguard-1"]()
    files, spec = handed_out(whole), spec_of(whole)
    (text, _) = codes(files["setup.html"])
    assert scanned(text) == text
    conf = files["wg-prov.conf"].decode()
    settings = [line for line in text.splitlines() if " = " in line]
    assert len(settings) == 2 + 4 * len(spec.links)
    assert all(f"\n{line}\n" in conf for line in settings)
    assert "PresharedKey" not in text


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in {"linux-1", "wireguard-1", "change-wireguard"} else pytest.mark.soak)
        for name in SHEETS
    ],
)
def test_no_sheet_has_a_secret_in_any_of_its_forms(name: str) -> None:
    files, spec = handed_out(SHEETS[name]()), spec_of(SHEETS[name]())
    public = {link.relay_public_key for link in spec.links}
    page = files["setup.html"].decode()
    said = page + "".join(pages(files["setup.pdf"])) + "".join(scanned(text) for text in codes(files["setup.html"]))
    assert set(PSK_OR_KEY.findall(said)) <= public
    assert all(link.psk.reveal() not in said for link in spec.links)


def test_what_a_sheet_must_not_have_is_an_error_and_nothing_is_left_out() -> None:
    with pytest.raises(RenderError, match="a sheet has <img>"):
        sheet_pdf('<article lang="en"><p>text <img src="x"></p></article>')


@pytest.mark.soak
def test_a_very_long_list_of_devices_goes_on_to_more_pages() -> None:
    files = handed_out(inventory("openwrt", 120))
    said = squeezed("".join(pages(files["setup.pdf"])))
    assert len(pages(files["setup.pdf"])) > 2
    assert all(said.count(f"cam-{n:02}192.168.1.") == 2 for n in range(1, 121))


@pytest.mark.soak
def test_chromium_prints_each_sheet_on_two_pages(tmp_path: Path) -> None:
    with chromium() as browser:
        for name, whole in SHEETS.items():
            path = tmp_path / f"{name}.html"
            path.write_bytes(handed_out(whole())["setup.html"])
            page = browser.new_page()
            page.goto(path.as_uri())
            shown = pages(page.pdf(prefer_css_page_size=True))
            page.close()
            assert [("setup sheet" in one or "change of keys" in one) for one in shown] == [True, False], name


@pytest.mark.parametrize("name", ["linux-1", "wireguard-1", "change-linux", "routed"])
def test_the_vietnamese_page_says_relay_as_the_glossary_does(name: str) -> None:
    page = render_site(spec_of(SHEETS[name]()), fleets.templates(), fleets.VALID)
    (sheet,) = (file.content.decode() for file in page if file.path == "setup.html")
    vietnamese = sheet.split('<article lang="vi">')[1]
    assert vietnamese.count("chuyển tiếp") == vietnamese.count("máy chủ chuyển tiếp") > 0
