"""`import --from`: a NetBox and a Nautobot, played by a small server after the published shape of their APIs."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from provisioner.base.http import HttpLimits
from provisioner.base.secret import Secret
from provisioner.cli.support.context import today
from provisioner.importing.dcim import PAGE, DcimClient, DcimMapping, DcimObject, read_mapping, read_server
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.grid import FileRefusedError
from provisioner.inventory.loader.load import check, load
from tests.hostile import MERGE_REQUEST
from tests.processes import free_port
from tests.unit.cli.test_import import NEW, SITE, Desk
from tests.unit.docs.pages import fences, text_of

TOKEN = "canary-token-of-the-dcim"
UUIDS = [f"0a1b2c3d-0000-4000-8000-{n:012}" for n in range(9)]


@dataclass
class Dcim:
    """A server with lists of objects, a page at a time."""

    lists: dict[str, list[Any]]  #: By path below `/api/`, the objects.
    url: str = ""
    asked: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)
    answer: Callable[[int], bytes] | None = None  #: An answer in place of any page.
    number: int = 200
    most: int = 1000  #: The server's own limit of a page, as NetBox's `MAX_PAGE_SIZE`.

    @property
    def offset(self) -> list[str]:
        """The offset of the present call."""
        return self.asked[-1][1]["offset"]

    def page(self, path: str, query: dict[str, list[str]]) -> bytes:
        """One page of a list, as both APIs have it."""
        objects = self.lists.get(path.removeprefix("/api/").strip("/"), [])
        first, size = int(query["offset"][0]), min(int(query["limit"][0]), self.most)
        # Where the next page is said to be nobody may go: the token would go with them.
        following = "http://127.0.0.1:9/elsewhere" if first + size < len(objects) else None
        page = objects[first : first + size]
        return json.dumps({"count": len(objects), "next": following, "previous": None, "results": page}).encode()


@contextmanager
def served(lists: dict[str, list[Any]]) -> Iterator[Dcim]:
    """A server on loopback."""
    dcim = Dcim(lists)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            dcim.asked.append((parts.path, query, self.headers.get("Authorization", "")))
            data = dcim.answer(len(dcim.asked)) if dcim.answer else dcim.page(parts.path, query)
            self.send_response(dcim.number)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    dcim.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield dcim
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def netbox_site(number: int, slug: str, name: str, **custom: Any) -> dict[str, Any]:
    return {
        "id": number,
        "url": f"https://netbox.example.com/api/dcim/sites/{number}/",
        "name": name,
        "slug": slug,
        "status": {"value": "active", "label": "Active"},
        "region": {"id": 1, "name": "Bắc Giang", "slug": "bac-giang"},
        "tenant": {"id": 2, "name": "Viettel", "slug": "viettel"},
        "physical_address": "Số 9, đường Ví Dụ",
        "custom_fields": {"ward": "Phường Ví Dụ", "body": "ubnd", "kind": "school", "people": 120, **custom},
    }


def netbox_device(number: int, site: str, name: str, address: str | None, **custom: Any) -> dict[str, Any]:
    primary = None if address is None else {"id": 5, "family": {"value": 4, "label": "IPv4"}, "address": address}
    return {
        "id": number,
        "name": name,
        "device_type": {
            "id": 1,
            "manufacturer": {"id": 1, "name": "Hikvision", "slug": "hikvision"},
            "model": "DS-2CD",
        },
        "role": {"id": 1, "name": "IP camera", "slug": "ip-camera"},
        "site": {"id": 1, "slug": site, "name": site},
        "primary_ip4": primary,
        "serial": "SN-1",
        "custom_fields": {"zone": "yard", **custom},
    }


SITES = {
    "filter": {"tag": "quarantine"},
    "columns": {
        "facility_id": "slug",
        "name": "name",
        "province": "region.name",
        "ward": "custom_fields.ward",
        "street": "physical_address",
        "people": "custom_fields.people",
        "kind": {"path": "custom_fields.kind", "values": {"school": "Trường học"}},
        "managing_body": {"path": "custom_fields.body", "values": {"ubnd": "UBND tỉnh"}},
        "operating": {"path": "status.value", "values": {"active": "Đang hoạt động"}},
    },
}
DEVICES = {
    "columns": {
        "facility_id": "site.slug",
        "camera_id": "name",
        "address": "primary_ip4.address",
        "make": "device_type.manufacturer.slug",
        "model": "device_type.model",
        "device": {"path": "role.slug", "values": {"ip-camera": "Camera IP"}},
        "sub_size": {"value": "640x360"},
        "zone": {"path": "custom_fields.zone", "values": {"yard": "Sân", "gate": "Cổng"}},
    }
}


def mapping_of(desk: Desk, server: str, /, **changes: Any) -> Path:
    path = desk.folder / "mapping.yml"
    plain = {"version": 1, "kind": "netbox", "url": server, "sites": SITES, "devices": DEVICES, **changes}
    path.write_text(json.dumps({key: value for key, value in plain.items() if value is not None}), encoding="utf-8")
    (desk.folder / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    return path


def run(desk: Desk, mapping: Path, *words: str) -> int:
    return desk.run("--mapping", mapping, "--token-file", desk.folder / "token", "--language", "en", *words)


@pytest.fixture(autouse=True)
def _without_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between attempts nobody waits here: a server that is away is asked as often as ever."""
    usual = HttpLimits.of
    monkeypatch.setattr(HttpLimits, "of", lambda environment: replace(usual(environment), first_pause_s=0.01))


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


@pytest.fixture
def netbox() -> Iterator[Dcim]:
    sites = [netbox_site(17, "kcl-bg-002", "Trường Hai")]
    devices = [
        netbox_device(4, "kcl-bg-002", "cam-01", "192.168.1.64/24"),
        netbox_device(5, "kcl-bg-001", "cam-01", "192.168.1.13/24", zone="yard"),
    ]
    with served({"dcim/sites": sites, "dcim/devices": devices}) as dcim:
        yield dcim


def test_nothing_is_written_before_a_yes_and_then_the_smallest_edit(desk: Desk, netbox: Dcim) -> None:
    mapping, before = mapping_of(desk, netbox.url), desk.tree()
    assert run(desk, mapping) == 0, desk.out
    assert desk.tree() == before
    for said in (
        "+ kcl-bg-002 (new)",
        "cameras.cam-01.zone cong → san",
        "nothing was written; add --write to write it",
    ):
        assert said in desk.out
    assert run(desk, mapping, "--write") == 0, desk.out
    text = desk.tree()[NEW].decode()
    for part in ("name: Trường Hai", "ward: Phường Ví Dụ", "people: 120", "address: 192.168.1.64", "make: hikvision"):
        assert part in text
    assert "  # at the gate" in desk.tree()[SITE].decode()
    assert not [problem for problem in check(load(desk.root, today=today())) if "kcl-bg-002" in problem.file]
    written = desk.tree()
    assert run(desk, mapping, "--write") == 0
    assert desk.tree() == written
    assert "nothing to change" in desk.out


def test_the_server_is_asked_what_the_mapping_says_with_the_token_of_the_file(desk: Desk, netbox: Dcim) -> None:
    run(desk, mapping_of(desk, f"{netbox.url}/"))
    (sites, of_sites, login), (devices, of_devices, _) = netbox.asked
    assert (sites, devices, login) == ("/api/dcim/sites/", "/api/dcim/devices/", f"Token {TOKEN}")
    assert of_sites == {"tag": ["quarantine"], "limit": [str(PAGE)], "offset": ["0"]}
    assert of_devices == {"limit": [str(PAGE)], "offset": ["0"]}
    assert TOKEN not in desk.out + desk.err


def test_a_nautobot_has_locations_and_its_ids_are_no_numbers(desk: Desk) -> None:
    place = {
        "id": UUIDS[0],
        "object_type": "dcim.location",
        "name": "Trường Hai",
        "location_type": {"id": UUIDS[1], "name": "Site"},
        "parent": {"id": UUIDS[2], "name": "Bắc Giang"},
        "status": {"id": UUIDS[3], "name": "Active"},
        "tenant": None,
        "physical_address": "",
        "custom_fields": {"ward": "Phường Ví Dụ", "code": "kcl-bg-002"},
    }
    sites = {
        "columns": {
            "facility_id": "custom_fields.code",
            "name": "name",
            "province": "parent.name",
            "ward": "custom_fields.ward",
            "kind": {"value": "Trường học"},
            "managing_body": {"value": "UBND tỉnh"},
            "operating": {"path": "status.name", "values": {"Active": "Đang hoạt động"}},
        }
    }
    with served({"dcim/locations": [place]}) as nautobot:
        mapping = mapping_of(desk, nautobot.url, kind="nautobot", sites=sites, devices=None)
        assert run(desk, mapping, "--write") == 0, desk.out
    assert "name: Trường Hai" in desk.tree()[NEW].decode()
    ((path, query, _),) = nautobot.asked
    assert (path, query["depth"]) == ("/api/dcim/locations/", ["1"])
    sites["columns"]["province"] = "parent.parent.name"
    with served({"dcim/locations": [place]}) as nautobot:
        run(desk, mapping_of(desk, nautobot.url, kind="nautobot", sites=sites, devices=None))
        ((_, query, _),) = nautobot.asked
    assert query["depth"] == ["2"], "a reference's reference has a name at the second depth alone"


def test_what_is_wrong_is_told_at_the_object_and_its_field(desk: Desk, netbox: Dcim) -> None:
    netbox.lists["dcim/devices"] = [
        netbox_device(4, "kcl-bg-001", "cam-07", "192.168.1.300/24"),
        netbox_device(5, "kcl-bg-001", "cam-08", None, zone={"nested": ["gate"]}),
        netbox_device(6, "kcl-bg-001", "cam-09", "192.168.1.66/24", zone="yard\x1b[31m"),
    ]
    assert run(desk, mapping_of(desk, netbox.url)) == 3
    host = urlsplit(netbox.url).netloc
    assert f"error: {host}: dcim/devices/4!C1 (Địa chỉ IP LAN) “192.168.1.300”: this is no IPv4 address" in desk.out
    assert f"error: {host}: dcim/devices/5!" in desk.out
    assert f"error: {host}: dcim/devices/6!" in desk.out
    assert f"{host}: Cơ sở 1, Camera 3 (rows)" in desk.out
    assert "\x1b" not in desk.out + desk.err
    assert "+ kcl-bg-002 (new)" in desk.out, "the others are as they are"


def test_a_site_that_may_be_another_is_a_question_with_an_answer(desk: Desk, netbox: Dcim) -> None:
    site = netbox_site(17, "", "Trường Ví Dụ")
    netbox.lists = {"dcim/sites": [site]}
    mapping = mapping_of(desk, netbox.url)
    assert run(desk, mapping) == 3
    assert "question: " in desk.out
    assert "dcim/sites/17!A1" in desk.out
    for answer in ("dcim/sites/17!1=kcl-bg-001", "1=kcl-bg-001"):
        assert run(desk, mapping, "--answer", answer) == 0, desk.out


@pytest.mark.parametrize("most", [1000, 50, 30])
def test_a_list_is_read_whole_however_few_objects_a_page_of_the_server_has(most: int) -> None:
    sites = [netbox_site(n, f"kcl-{n:04}", f"Trường {n}") for n in range(1, 252)]
    with served({"dcim/sites": sites}) as dcim:
        dcim.most = most
        assert len(facilities_of(dcim)) == 251
        starts = [int(query["offset"][0]) for _, query, _ in dcim.asked]
    assert starts == [*range(0, 251, min(most, PAGE))]
    assert {path for path, _, _ in dcim.asked} == {"/api/dcim/sites/"}, "no address of an answer is called"


def test_a_list_that_moved_is_read_again() -> None:
    sites = [netbox_site(n, f"kcl-{n:04}", f"Trường {n}") for n in range(1, 251)]
    with served({"dcim/sites": sites}) as dcim:

        def shifted(call: int) -> bytes:
            # The first page is removed from the list after it was read: the second reading sees the list as it is.
            if call == 2:
                del sites[:3]
            path, query, _ = dcim.asked[-1]
            return dcim.page(path, query)

        dcim.answer = shifted
        assert [one.fields["slug"] for one in facilities_of(dcim)] == [f"kcl-{n:04}" for n in range(4, 251)]


@pytest.mark.parametrize("count", [5, 7, 300])
def test_a_list_that_does_not_add_up_is_refused_with_both_numbers(count: int) -> None:
    sites = [netbox_site(n, f"kcl-{n:04}", f"Trường {n}") for n in range(1, 7)]
    with served({"dcim/sites": sites}) as dcim:
        dcim.answer = lambda _: json.dumps({"count": count, "results": sites if "0" in dcim.offset else []}).encode()
        with pytest.raises(FileRefusedError) as caught:
            facilities_of(dcim)
    assert caught.value.remark.code == "dcim-incomplete"
    assert dict(caught.value.remark.fills) == {"count": str(count), "read": "6"}


def test_an_address_of_several_lines_is_one_line() -> None:
    site = netbox_site(1, "kcl-0001", "Trường Ví Dụ") | {"physical_address": "Số 9\r\n\n đường\tVí Dụ \n"}
    with served({"dcim/sites": [site]}) as dcim:
        plain = {"version": 1, "kind": "netbox", "url": dcim.url, "sites": {"columns": {"street": "physical_address"}}}
        mapping = DcimMapping.model_validate_json(json.dumps(plain))
        (sheet,) = read_server(replace(client_of(dcim.url), mapping=mapping)).tables
    assert [cell.value for row in sheet.rows for cell in row.cells.values()] == ["Số 9, đường Ví Dụ"]


# --- servers that are no good ---------------------------------------------------------------------
def client_of(url: str) -> DcimClient:
    plain = {"version": 1, "kind": "netbox", "url": url, "sites": {"columns": {"facility_id": "slug"}}}
    mapping = DcimMapping.model_validate_json(json.dumps(plain))
    return DcimClient(mapping, Secret(TOKEN), HttpLimits(attempt_s=5.0, total_s=8.0, attempts=2, first_pause_s=0.01))


def facilities_of(dcim: Dcim) -> tuple[DcimObject, ...]:
    client = client_of(dcim.url)
    return client.objects(FormKind.FACILITIES, client.mapping.mappings[FormKind.FACILITIES])


def endless(number: int) -> bytes:
    """Ever more objects."""
    first = number * PAGE
    return json.dumps({"count": 10**9, "results": [{"id": first + n} for n in range(PAGE)]}).encode()


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "nothing": lambda _: b"",
    "no object": lambda _: b"[]",
    "no list": lambda _: b'{"count": 1, "results": {"id": 1}}',
    "no number": lambda _: b'{"count": "1", "results": []}',
    "truth as a number": lambda _: b'{"count": true, "results": []}',
    "more than was asked for": lambda _: json.dumps({"count": 1, "results": [{"id": n} for n in range(500)]}).encode(),
    "an id that is none": lambda _: b'{"count": 1, "results": [{"id": "../../users"}]}',
    "an object as its id": lambda _: b'{"count": 1, "results": [{"id": {}}]}',
    "no id": lambda _: b'{"count": 1, "results": [{}]}',
    "depth": lambda _: b'{"count": 1, "results": ' + b"[" * 100_000,
    "a long number": lambda _: b'{"count": 1, "results": [], "x": ' + b"9" * 10_000 + b"}",
    "bytes that are no text": lambda _: b'{"count": \xff\xfe',
    "much": lambda _: b'{"count": 1, "results": [], "x": "' + b"x" * (9 * 1024 * 1024) + b'"}',
    "without end": endless,
}


@MERGE_REQUEST
@pytest.mark.parametrize("kind", HOSTILE)
def test_an_answer_that_cannot_be_ends_the_list_and_nothing_else(kind: str) -> None:
    with served({}) as dcim:
        dcim.answer = HOSTILE[kind]
        client = client_of(dcim.url)
        with pytest.raises(FileRefusedError) as caught:
            client.objects(FormKind.FACILITIES, client.mapping.mappings[FormKind.FACILITIES])
        assert caught.value.remark.code in {"dcim-odd", "dcim-too-many"}
        assert len(dcim.asked) <= 102


@pytest.mark.parametrize(
    ("number", "said"), [(403, "does not take what it is sent"), (302, "a redirect is not followed")]
)
def test_a_refusing_server_is_told_and_the_rest_is_read(desk: Desk, netbox: Dcim, number: int, said: str) -> None:
    netbox.number = number
    assert run(desk, mapping_of(desk, netbox.url)) == 3
    assert desk.out.count(said) == 2
    assert TOKEN not in desk.out + desk.err


def test_a_server_that_is_away_changes_nothing(desk: Desk) -> None:
    before = desk.tree()
    mapping = mapping_of(desk, f"http://127.0.0.1:{free_port()}", devices=None)
    assert run(desk, mapping, "--write") == 3
    assert "the server cannot be asked: it cannot be reached" in desk.out
    assert desk.tree() == before


# --- mappings that are no good --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "http://netbox.example.com"}, "http:// is for this machine alone"),
        ({"url": "https://user:secret@netbox.example.com"}, "no login"),
        ({"kind": "cmdb"}, "kind"),
        ({"sites": None, "devices": None}, "name sites, devices, or both"),
        ({"sites": {"columns": {"facility_id": "slug", "colour": "name"}}}, "colour is no column of facilities"),
        ({"devices": {"columns": {"camera_id": "name"}}}, "devices need the column facility_id or facility_name"),
        ({"sites": {"columns": {"facility_id": "slug/../x"}}}, "facility_id"),
        ({"sites": {"columns": {"facility_id": {"path": "slug", "value": "x"}}}}, "facility_id"),
        ({"sites": {"columns": {"facility_id": "slug"}, "filter": {"a&b": "c"}}}, "filter"),
    ],
)
def test_a_mapping_that_is_not_in_order_is_told_of_by_place_and_nobody_is_asked(
    desk: Desk, netbox: Dcim, changes: dict[str, Any], said: str
) -> None:
    assert run(desk, mapping_of(desk, netbox.url, **changes)) == 3
    assert said in desk.out + desk.err
    assert "mapping.yml:1:" in desk.out + desk.err
    assert not netbox.asked


def test_the_mapping_of_the_page_is_in_order(tmp_path: Path) -> None:
    (block,) = (fence for fence in fences(text_of("docs/daily/import.md")) if fence.language == "yaml")
    file = tmp_path / "mapping.yml"
    file.write_text("\n".join(block.lines), encoding="utf-8")
    mapping = read_mapping(file)
    assert [*mapping.mappings] == [FormKind.FACILITIES, FormKind.CAMERAS]
    assert mapping.mappings[FormKind.CAMERAS].places["sub_size"].value == "640x360"


def test_options_that_do_not_fit_are_wrong_usage(desk: Desk, netbox: Dcim) -> None:
    mapping = mapping_of(desk, netbox.url)
    assert desk.run("--mapping", mapping) == 2
    assert desk.run("--mapping", mapping, "--token-file", desk.folder / "token", mapping) == 2
    assert desk.run("--token-file", desk.folder / "token", mapping) == 2
    for content in ("", "two words", "not-ascii-ạ"):
        (desk.folder / "token").write_text(content, encoding="utf-8")
        assert run(desk, mapping) == 2
    (desk.folder / "token").unlink()
    assert run(desk, mapping) == 2
    assert not netbox.asked


@MERGE_REQUEST
def test_no_mapping_of_the_checkout_chooses_where_the_token_goes(
    desk: Desk, netbox: Dcim, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = mapping_of(desk, netbox.url)
    monkeypatch.setattr("provisioner.cli.import_.is_tracked_path", lambda path, _root: path == mapping)
    assert run(desk, mapping) == 2
    assert "keep the mapping outside of the checkout" in desk.err
    assert not netbox.asked
