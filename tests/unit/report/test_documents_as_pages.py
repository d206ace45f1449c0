"""Official documents as LibreOffice lays them out: where things really stand on the pages."""

import re
import shutil
import subprocess
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from provisioner.report.documents.docx import official_docx
from tests.unit.report import test_outage as may
from tests.unit.report.test_official_documents import Judged, every, thai_nguyen

__all__ = ["thai_nguyen"]  # the fixture
INSTALL = "apt-get install -y libreoffice-writer-nogui poppler-utils"
MM = 72 / 25.4
# It needs a quarter of a gigabyte of packages; the layout as written is tested beside it, at each merge.
pytestmark = pytest.mark.soak


@dataclass(frozen=True)
class Word:
    """A word on a page, with its place in millimetres from the upper left corner."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class PrintedPage:
    """A page: its size in millimetres, and its words in their order."""

    width: int
    height: int
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """Its letters, without spaces: where a font lacks some of them, a word comes in pieces."""
        return "".join(word.text for word in self.words)

    def word(self, *texts: str) -> Word:
        """The only word that is one of these; of letters that every font has."""
        (one,) = [word for word in self.words if word.text in texts]
        return one

    def number(self) -> Word | None:
        """The number in its upper margin."""
        above = [word for word in self.words if word.bottom < 20]
        assert len(above) <= 1
        return above[0] if above else None


def program(name: str) -> str:
    """A program of the machine's."""
    place = shutil.which(name)
    if place is None:
        pytest.fail(f"{name} is missing; as root: {INSTALL}")
    return place


def printed(pdf: Path) -> list[PrintedPage]:
    done = subprocess.run([program("pdftotext"), "-bbox", str(pdf), "-"], capture_output=True, check=True, timeout=60)
    text = re.sub(r"<!DOCTYPE[^>]*>", "", done.stdout.decode())
    space = "{http://www.w3.org/1999/xhtml}"
    pages = []
    for page in fromstring(text).iter(f"{space}page"):
        words = [
            Word(
                unicodedata.normalize("NFC", word.text or ""),
                *(float(word.attrib[side]) / MM for side in ("xMin", "yMin", "xMax", "yMax")),
            )
            for word in page.iter(f"{space}word")
        ]
        pages.append(
            PrintedPage(round(float(page.attrib["width"]) / MM), round(float(page.attrib["height"]) / MM), tuple(words))
        )
    return pages


@pytest.fixture(scope="module")
def pages(thai_nguyen: Judged, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[PrintedPage]]:
    """Every document, converted in one go by a LibreOffice of its own."""
    folder = tmp_path_factory.mktemp("documents")
    for name, document in every(thai_nguyen).items():
        (folder / f"{name}.docx").write_bytes(official_docx(document, may.MORNING))
    own = f"-env:UserInstallation=file://{folder}/office"
    words = [program("soffice"), own, "--headless", "--convert-to", "pdf", "--outdir", str(folder)]
    subprocess.run([*words, *map(str, sorted(folder.glob("*.docx")))], capture_output=True, check=True, timeout=300)
    return {pdf.stem: printed(pdf) for pdf in sorted(folder.glob("*.pdf"))}


def test_pages_are_a4_and_an_annex_lies_across(pages: dict[str, list[PrintedPage]]) -> None:
    assert sorted(pages) == ["acceptance", "progress", "survey-minutes"]
    for name, listed in pages.items():
        sides = [(page.width, page.height) for page in listed]
        assert set(sides) == ({(210, 297)} if name == "survey-minutes" else {(210, 297), (297, 210)})
        assert sides == sorted(sides)


def test_nothing_stands_in_the_margins_but_the_page_s_number(pages: dict[str, list[PrintedPage]]) -> None:
    for page in (page for listed in pages.values() for page in listed):
        for word in page.words:
            if word != page.number():
                assert word.left > 29.5, word
                assert word.right < page.width - 14.5, word
                assert word.top > 19, word
                assert word.bottom < page.height - 19, word


def test_numbers_stand_in_the_middle_above_and_not_on_first_pages(pages: dict[str, list[PrintedPage]]) -> None:
    for listed in pages.values():
        assert len(listed) > 1
        for across in (False, True):
            numbers = [page.number() for page in listed if (page.width > page.height) is across]
            assert [number.text if number else "" for number in numbers] == [
                str(place) if place > 1 else "" for place in range(1, len(numbers) + 1)
            ]
            for number in filter(None, numbers):
                middle = (30 + (297 if across else 210) - 15) / 2
                assert abs((number.left + number.right) / 2 - middle) < 2


def test_the_issuing_body_is_left_and_the_national_name_at_the_right(pages: dict[str, list[PrintedPage]]) -> None:
    for listed in pages.values():
        first = listed[0]
        nation, number, title = first.word("HÒA"), first.word("07/BC-STTTT"), first.word("CÁO", "BIÊN")
        bodies = [word for word in first.words if word.text == "TIN"]
        assert bodies[0].right < 95 < nation.left
        assert nation.top < 25
        assert number.right < 95
        assert bodies[0].bottom < number.top < number.bottom < title.top
        # In one line, as the decree has it.
        assert abs(first.word("NAM").top - nation.top) < 1


def test_the_signatures_of_minutes_are_on_one_page(pages: dict[str, list[PrintedPage]]) -> None:
    for name, parties in (("acceptance", 4), ("survey-minutes", 3)):
        assert [page.text.count("ĐẠIDIỆN") for page in pages[name] if "ĐẠIDIỆN" in page.text] == [parties]


def test_the_published_figures_are_on_the_first_page(pages: dict[str, list[PrintedPage]]) -> None:
    text = pages["progress"][0].text
    assert "30/30cơsở" in text
    assert "11cơsởvới85camera" in text
    assert "Chưakếtnối:19cơsở" in text


def test_no_page_begins_with_a_total(pages: dict[str, list[PrintedPage]]) -> None:
    for page in (page for listed in pages.values() for page in listed):
        body = [word.text for word in page.words if word != page.number()]
        assert body[:2] != ["Tổng", "cộng"]
