"""Pages in Debian's Chromium: for everybody, on a phone, in the dark, without a script, by keyboard, on paper, live."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from provisioner.web.static import write_pages
from tests.boards import HOSTILE, NOW, StripedPast, board, watched
from tests.hostile import MERGE_REQUEST
from tests.web.browsers import Site, chromium, opened, site

PAGES = (
    *("", "incidents", "facilities", "facilities/kcl-bg-002", "provinces/hai-duong", "facilities?q=nothing"),
    *("changes", "hosts", "waiting"),
)
ENGLISH, VIETNAMESE = ([f"{language}/{page}" for page in PAGES] for language in ("en", "vi"))


# Texts that stand in so narrow a column that words are broken: they have more lines than words.
SQUEEZED = """(() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), squeezed = [];
  while (walker.nextNode()) {
    const range = document.createRange(), text = walker.currentNode.textContent.trim();
    range.selectNodeContents(walker.currentNode);
    const tops = new Set([...range.getClientRects()].map(one => Math.round(one.top)));
    if (text && text.length < 60 && tops.size > text.split(/\\s+/).length) squeezed.push(text);
  }
  return squeezed;
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def pages() -> Iterator[Site]:
    with site() as one:
        yield one


def violations(page: Page) -> list[str]:
    """What axe says against a page."""
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}"
        for one in Axe().run(page, options={"preload": False}).response["violations"]
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nobody_is_shut_out_of_a_page(browser: Browser, pages: Site, *, dark: bool) -> None:
    with opened(browser, dark=dark) as page:
        for address in VIETNAMESE if dark else (*ENGLISH, *VIETNAMESE[:2]):
            page.goto(f"{pages.address}/{address}")
            assert violations(page) == [], address


@pytest.mark.parametrize(
    "addresses",
    # Words are longer in Vietnamese.
    [pytest.param(VIETNAMESE, id="vi"), pytest.param(ENGLISH, id="en", marks=pytest.mark.soak)],
)
def test_a_page_fits_on_a_phone(browser: Browser, pages: Site, addresses: list[str]) -> None:
    with opened(browser, phone=True) as page:
        for address in addresses:
            page.goto(f"{pages.address}/{address}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
            assert page.evaluate(SQUEEZED) == [], address
        assert violations(page) == []


@MERGE_REQUEST
def test_without_a_script_a_page_says_the_same(browser: Browser, pages: Site) -> None:
    with opened(browser) as with_script, opened(browser, scripts=False) as without:
        for address in (*ENGLISH, "vi/facilities/kcl-bg-001"):
            texts = []
            for page in (with_script, without):
                page.goto(f"{pages.address}/{address}")
                texts.append(page.inner_text("body"))
            assert texts[0] == texts[1], address
            if "bg-002" in address:
                assert HOSTILE in texts[1]


def test_without_a_script_a_search_is_a_link_that_can_be_sent(browser: Browser, pages: Site) -> None:
    with opened(browser, scripts=False) as page:
        page.goto(f"{pages.address}/en/")
        page.get_by_role("searchbox").fill("DAK lak")
        page.keyboard.press("Enter")
        expect(page.get_by_role("row")).to_have_count(2)
        expect(page.get_by_role("link", name="Trường THPT Đắk Lắk 1")).to_be_visible()
        page.get_by_label("Worst path").select_option("down")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_text("No facility is like that.")).to_be_visible()
        assert "q=DAK+lak" in page.url
        assert "verdict=down" in page.url


def test_a_filter_answers_while_it_is_typed_and_stands_in_the_address(browser: Browser, pages: Site) -> None:
    with opened(browser) as page:
        page.goto(f"{pages.address}/vi/facilities")
        expect(page.locator("tbody tr")).to_have_count(5)
        page.get_by_label("Tên hoặc mã").fill("hoa binh")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page).to_have_url(f"{pages.address}/vi/facilities?q=hoa+binh&sort=worst")
        page.reload()
        expect(page.locator("tbody tr")).to_have_count(1)


def test_an_open_page_shows_what_is_recorded_next(browser: Browser, pages: Site) -> None:
    with opened(browser) as page:
        page.goto(f"{pages.address}/en/")
        expect(page.locator("h1")).to_have_text("8 of 12 paths are up")
        later = board("later")
        try:
            pages.source.now_shown = later.__class__(**{**later.__dict__, "counts": {"down": 1, "up": 11}})
            expect(page.locator("h1")).to_have_text("11 of 12 paths are up")
        finally:
            pages.source.now_shown = board()
        expect(page.locator("h1")).to_have_text("8 of 12 paths are up")


def test_an_open_page_shows_what_a_watch_sees_and_an_old_up_for_everybody(browser: Browser, pages: Site) -> None:
    source = pages.source
    words = {(path.name, path.relay): "down" if path.facility == "kcl-bg-001" else "up" for path in board().paths}
    try:
        with opened(browser, phone=True) as page:
            page.goto(f"{pages.address}/vi/facilities/kcl-bg-001")
            source.reports = (watched(words),)
            expect(page.get_by_text("Chương trình theo dõi: mất kết nối từ")).to_have_count(3)
            assert violations(page) == []
            source.reports, source.now = (), NOW + timedelta(hours=30)
            expect(page.locator(".lead").first).to_contain_text("Biết chắc 0 trên 3")
            for address in VIETNAMESE:
                page.goto(f"{pages.address}/{address}")
                assert violations(page) == [], address
                assert page.evaluate(SQUEEZED) == [], address
    finally:
        source.reports, source.now = (), NOW


def test_a_page_is_used_by_keyboard(browser: Browser, pages: Site) -> None:
    with opened(browser) as page:
        page.goto(f"{pages.address}/en/facilities")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Name or id")).to_be_focused()
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        for _ in range(6):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{pages.address}/en/facilities/kcl-hd-001")


def test_on_paper_there_is_nothing_to_press(browser: Browser, pages: Site) -> None:
    with opened(browser) as page:
        page.goto(f"{pages.address}/vi/facilities")
        page.emulate_media(media="print")
        assert not page.get_by_role("navigation").first.is_visible()
        assert not page.get_by_role("searchbox").first.is_visible()
        assert page.get_by_role("row").count() == 6


def test_files_open_by_themselves_and_filter_their_rows(browser: Browser, tmp_path: Path) -> None:
    write_pages(tmp_path / "pages", board(), StripedPast(), NOW)
    with opened(browser) as page:
        page.goto((tmp_path / "pages/index.html").as_uri())
        page.wait_for_url("**/vi/index.html")
        assert page.evaluate("getComputedStyle(document.querySelector('.map')).display") == "grid"
        page.get_by_role("link", name="Cơ sở", exact=True).click()
        expect(page.locator("tbody tr:visible")).to_have_count(5)
        page.get_by_role("searchbox").fill("Đăk lak")
        expect(page.locator("tbody tr:visible")).to_have_count(1)
        assert violations(page) == []
        page.get_by_role("link", name="Trường THPT Đắk Lắk 1").click()
        expect(page.locator(".strip")).to_have_count(3)
        assert violations(page) == []
