"""The same pages as files: all links lead somewhere, nobody else can read them, and they say what the server says."""

import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from provisioner.base.errors import UsageError
from provisioner.web.static import files_of, write_pages
from tests.boards import NAMES, NOW, StripedPast, board
from tests.unit.web.clients import Outline, crawl, local

PAGES = dict(files_of(board(), StripedPast(), NOW))


def test_every_link_leads_to_a_file() -> None:
    for name, content in PAGES.items():
        if name.endswith(".html"):
            for place in Outline(content.decode()).places:
                target = urlsplit(urljoin(f"file:///{name}", place))
                assert target.scheme == "file"
                assert target.path.lstrip("/") in PAGES, (name, place)


@pytest.mark.parametrize("id_", sorted(NAMES))
@pytest.mark.parametrize("language", ["en", "vi"])
def test_a_facilitys_file_says_what_its_page_says(id_: str, language: str) -> None:
    def facts(html: str) -> str:
        return Outline(re.sub(r"(?s)^.*?<main", "<main", html)).text

    served = local().get(f"/{language}/facilities/{id_}").text
    assert facts(PAGES[f"{language}/facilities/{id_}.html"].decode()) == facts(served)


def test_files_hold_every_facility_and_incident_that_the_server_lists() -> None:
    served = crawl(local(), ["/en/"])
    for listing in ("facilities", "incidents"):
        for id_ in NAMES:
            assert (id_ in PAGES[f"en/{listing}.html"].decode()) == (id_ in served[f"/en/{listing}"])


def test_no_file_has_a_form_that_would_need_a_server_or_a_way_to_persons() -> None:
    for name, content in PAGES.items():
        assert b'method="get"' not in content, name
        assert b"contacts/" not in content, name
        assert b"data-events" not in content, name


def test_files_are_for_their_owner_alone_and_what_is_gone_goes(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    assert write_pages(folder, board(), StripedPast(), NOW) == len(PAGES)
    assert {oct(p.stat().st_mode & 0o777) for p in folder.rglob("*") if p.is_file()} == {"0o600"}
    assert folder.stat().st_mode & 0o777 == 0o700
    old = folder / "en/facilities/kcl-old-001.html"
    old.write_text("of yesterday")
    write_pages(folder, board(), StripedPast(), NOW)
    assert not old.exists()
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name[0] != "."} == set(
        PAGES
    )


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.html").write_text("years of work")
    with pytest.raises(UsageError) as refused:
        write_pages(tmp_path, board(), StripedPast(), NOW)
    assert refused.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.html"]


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as refused:
        write_pages(tmp_path / "file/pages", board(), StripedPast(), NOW)
    assert "cannot be written" in refused.value.message
