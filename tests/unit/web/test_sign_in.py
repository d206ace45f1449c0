"""Readers sign in at a provider that follows the published metadata; one that lies lets nobody in."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from provisioner.base.errors import UsageError
from provisioner.web import sign_in
from provisioner.web.app import ServedPages
from provisioner.web.sign_in import (
    BEGUN,
    SESSION,
    SESSION_S,
    ProviderError,
    SessionIdentification,
    open_sign_in,
    read_settings,
)
from provisioner.web.source import Feed
from tests.boards import NOW, GivenSource
from tests.hostile import LOCAL_USER, VIEWER
from tests.provider import SECRET, DoubleProvider, provider
from tests.unit.web.clients import HOST, PageClient


@pytest.fixture(scope="module")
def honest() -> Iterator[DoubleProvider]:
    with provider() as one:
        yield one


@pytest.fixture
def double(honest: DoubleProvider) -> Iterator[DoubleProvider]:
    honest.lie, honest.groups, honest.asked, honest.gives = {}, "noc-engineers", {}, ()
    yield honest
    honest.codes.clear()
    honest.sessions.clear()


class SignedInBrowser(PageClient):
    """A browser that keeps its cookies."""

    def __init__(self, folder: Path, double: DoubleProvider, settings: str = "") -> None:
        (folder / "secret").write_text(SECRET)
        (folder / "secret").chmod(0o600)
        (folder / "sign-in.toml").write_text(settings or double.settings())
        self.door: SessionIdentification = open_sign_in(folder / "sign-in.toml")
        feed = Feed(GivenSource())
        served = ServedPages(
            feed, self.door, [HOST], lambda: NOW, secure=True, further=self.door.routes, leave="sign-out"
        )
        super().__init__(served, "127.0.0.1")
        self.cookies: dict[str, str] = {}
        self.double = double

    def get(self, address: str, headers: object = None) -> httpx.Response:
        """Ask for a page, with the cookies."""
        del headers
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = super().get(address, {"Cookie": cookie, "Accept": "text/html"})
        for set_cookie in answer.headers.get_list("set-cookie"):
            name, _, value = set_cookie.partition(";")[0].partition("=")
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(re.split(r"; ", set_cookie))
            assert "Domain" not in set_cookie
            self.cookies[name] = value.strip('"')
        return answer

    def begin(self) -> str:
        """Be sent to the provider."""
        assert self.get("/en/").headers["location"] == "/sign-in"
        return str(self.get("/sign-in").headers["location"])

    def come_back(self, address: str) -> httpx.Response:
        """Come back from the provider."""
        parts = urlsplit(address)
        return self.get(f"{parts.path}?{parts.query}")

    def sign_in(self) -> httpx.Response:
        """The whole of it."""
        return self.come_back(self.double.authorize(self.begin()))


def test_who_signed_in_sees_what_the_role_may_see_and_no_more(tmp_path: Path, double: DoubleProvider) -> None:
    for groups, sees in (("noc-engineers", 5), (["other", "bac-giang"], 2), ("vnpt", 2), ("counts", 0)):
        double.groups = groups
        browser = SignedInBrowser(tmp_path, double)
        assert browser.get("/events").status_code == 302
        assert browser.sign_in().headers["location"] == "../"
        seen = [browser.get(f"/en/facilities/{id_}").status_code for id_ in _IDS]
        assert seen.count(200) == sees
        browser.get("/sign-out")
        assert browser.get("/en/").headers["location"] == "/sign-in"


_IDS = ("kcl-bg-001", "kcl-bg-002", "kcl-hd-001", "kcl-qn-001", "kcl-qn-002")


@VIEWER
@pytest.mark.parametrize(
    "lie",
    [
        {"claims": {"iss": "https://example.com"}},
        {"claims": {"aud": "another-client"}},
        {"claims": {"aud": ["provisioner-pages", "another-client"]}},
        {"claims": {"azp": "another-client"}},
        {"claims": {"exp": 1}},
        {"claims": {"exp": None}},
        {"claims": {"nonce": "of another sign-in"}},
        {"claims": {"nonce": None}},
        {"claims": {"provisioner_role": None}},
        {"claims": {"provisioner_role": "root"}},
        {"claims": {"provisioner_role": ["noc-engineers", "bac-giang"]}},
        {"claims": {"provisioner_role": {"noc-engineers": True}}},
        {"key": ec.generate_private_key(ec.SECP256R1())},
        {"key": "a secret of thirty-two bytes or more", "algorithm": "HS256"},
        {"key": None, "algorithm": "none"},
        {"kid": "unknown"},
        {"answer": {"id_token": "x.y.z"}},
        {"answer": {"id_token": None}},
        {"status": 500},
    ],
    ids="-".join,
)
def test_an_unproven_token_lets_nobody_in(tmp_path: Path, double: DoubleProvider, lie: dict[str, object]) -> None:
    browser = SignedInBrowser(tmp_path, double)
    double.lie = lie
    answer = browser.sign_in()
    assert answer.status_code in {403, 502}
    assert browser.get("/en/").headers["location"] == "/sign-in"
    assert not re.search(rf"{SECRET}|eyJ|x\.y\.z", answer.text)


@VIEWER
def test_an_answer_counts_once_and_in_the_browser_that_asked(tmp_path: Path, double: DoubleProvider) -> None:
    mine, theirs = SignedInBrowser(tmp_path, double), SignedInBrowser(tmp_path, double)
    back = double.authorize(mine.begin())
    theirs.begin()
    assert theirs.come_back(back).status_code == 400
    assert mine.come_back(back.replace("state=", "state=x")).status_code == 400
    assert mine.come_back(f"{back}&iss=https://example.com").status_code == 400
    assert mine.come_back(double.authorize(mine.begin())).status_code == 302
    assert mine.come_back(back).status_code == 400
    assert mine.get("/en/").status_code == 200


def test_a_code_is_worth_nothing_without_the_verifier(tmp_path: Path, double: DoubleProvider) -> None:
    mine = SignedInBrowser(tmp_path, double)
    first, second = double.authorize(mine.begin()), double.authorize(mine.begin())
    code = parse_qs(urlsplit(first).query)["code"][0]
    assert mine.come_back(re.sub(r"code=[^&]*", f"code={code}", second)).status_code == 502


def test_a_new_key_of_the_provider_is_asked_for_once(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double)
    assert browser.sign_in().status_code == 302
    old = double.key, double.name
    double.key, double.name = ec.generate_private_key(ec.SECP256R1()), "k2"
    browser.door._provider._asked_s["keys"] -= 61  # noqa: SLF001 (a minute has passed)
    browser.cookies.clear()
    assert browser.sign_in().status_code == 302
    double.lie = {"kid": "k3"}
    for _ in range(3):
        browser.cookies.clear()
        assert browser.sign_in().status_code == 502
    assert double.asked["/keys"] == 2
    double.key, double.name = old


@VIEWER
def test_no_number_of_sign_ins_pushes_out_one_that_was_begun(tmp_path: Path, double: DoubleProvider) -> None:
    mine = SignedInBrowser(tmp_path, double)
    back = double.authorize(mine.begin())
    for _ in range(1000):
        assert PageClient.get(mine, "/sign-in").status_code == 302
    assert mine.come_back(back).status_code == 302
    assert mine.get("/en/").status_code == 200


@VIEWER
def test_a_sign_in_that_was_begun_counts_for_ten_minutes_and_as_it_was_sealed(
    tmp_path: Path, double: DoubleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = SignedInBrowser(tmp_path, double)
    now = time.time()
    for ago, status in ((602, 400), (500, 302)):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda ago=ago: now - ago)
            back = double.authorize(mine.begin())
        assert mine.come_back(back).status_code == status
        mine.cookies.pop(SESSION, None)
    back = double.authorize(mine.begin())
    mine.cookies[BEGUN] = mine.cookies[BEGUN].swapcase()
    assert mine.come_back(back).status_code == 400


@VIEWER
def test_many_sessions_of_one_person_push_out_no_other_person(
    tmp_path: Path, double: DoubleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "_MOST_SESSIONS", 30)
    mine, theirs = SignedInBrowser(tmp_path, double), SignedInBrowser(tmp_path, double)
    theirs.door, theirs._app = mine.door, mine._app  # noqa: SLF001 (two browsers at one server)
    assert mine.sign_in().status_code == 302
    double.lie = {"claims": {"sub": "u-2"}}
    for _ in range(40):
        theirs.cookies.clear()
        assert theirs.sign_in().status_code == 302
    assert theirs.get("/en/").status_code == 200
    assert mine.get("/en/").status_code == 200


@VIEWER
def test_who_signs_in_gets_another_session_and_the_former_one_ends(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double)
    browser.cookies[SESSION] = "chosen-by-somebody-else"
    assert browser.come_back(double.authorize(browser.begin())).status_code == 302
    first = browser.cookies[SESSION]
    assert first != "chosen-by-somebody-else"
    assert browser.come_back(double.authorize(browser.get("/sign-in").headers["location"])).status_code == 302
    assert browser.get("/en/").status_code == 200
    browser.cookies[SESSION] = first
    assert browser.get("/en/").headers["location"] == "/sign-in"


@VIEWER
@pytest.mark.parametrize("planted", ["\xa0{}={}", "\x85{}={}", "{}\xa0={}", "\xa0{}\x85={}", "={}={}"])
def test_a_cookie_of_another_name_that_a_neighbour_plants_is_no_session(
    tmp_path: Path, double: DoubleProvider, planted: str
) -> None:
    """Browsers let a neighbour host set it: its name does not begin with the prefix that they hold back."""
    attacker = SignedInBrowser(tmp_path, double)
    assert attacker.sign_in().status_code == 302
    back = urlsplit(double.authorize(attacker.get("/sign-in").headers["location"]))
    session, begun = (planted.format(name, attacker.cookies[name]) for name in (SESSION, BEGUN))
    answer = PageClient.get(attacker, "/en/", {"Cookie": session, "Accept": "text/html"})
    assert answer.headers.get("location") == "/sign-in"
    assert PageClient.get(attacker, f"{back.path}?{back.query}", {"Cookie": begun}).status_code == 400


@VIEWER
def test_two_cookies_of_one_name_are_none(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double)
    assert browser.sign_in().status_code == 302
    name = browser.cookies[SESSION]
    assert browser.get("/en/").status_code == 200
    for cookies in (f"{SESSION}=x; {SESSION}={name}", f"{SESSION}={name};{SESSION}=x"):
        answer = PageClient.get(browser, "/en/", {"Cookie": cookies, "Accept": "text/html"})
        assert answer.headers["location"] == "/sign-in"


class MovedClock:
    """The clock of a door, which can be moved."""

    def __init__(self, browser: SignedInBrowser) -> None:
        self.now = time.monotonic()
        browser.door._clock = lambda: self.now  # noqa: SLF001 (no test waits for hours)


def test_a_session_ends(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double)
    clock = MovedClock(browser)
    double.lie = {"claims": {"exp": int(time.time()) + 24 * 3600}}
    assert browser.sign_in().status_code == 302
    clock.now += SESSION_S - 1
    assert browser.get("/en/").status_code == 200
    clock.now += 2
    assert browser.get("/en/").headers["location"] == "/sign-in"


@VIEWER
@pytest.mark.parametrize("left_s", [-30, 0, 100, 3600])
def test_a_session_ends_with_its_token(tmp_path: Path, double: DoubleProvider, left_s: int) -> None:
    browser = SignedInBrowser(tmp_path, double)
    clock = MovedClock(browser)
    double.lie = {"claims": {"exp": int(time.time()) + left_s}}
    assert browser.sign_in().status_code == 302
    assert browser.get("/en/").status_code == 200, "no circle of sign-ins"
    clock.now += left_s + 61
    assert browser.get("/en/").headers["location"] == "/sign-in"


@VIEWER
@pytest.mark.parametrize("gives", [("refresh",), ("access",), ("refresh", "access")], ids="-".join)
def test_a_session_ends_within_ten_minutes_of_the_providers_word(
    tmp_path: Path, double: DoubleProvider, gives: tuple[str, ...]
) -> None:
    browser = SignedInBrowser(tmp_path, double)
    clock = MovedClock(browser)
    double.gives, double.lie = gives, {"claims": {"exp": int(time.time()) + 8 * 3600}}
    assert browser.sign_in().status_code == 302
    for _ in range(5):
        clock.now += 301
        assert browser.get("/en/").status_code == 200
    double.sessions.clear()
    clock.now += 599
    assert browser.get("/en/").headers["location"] == "/sign-in"


@VIEWER
def test_a_provider_that_says_a_byte_now_and_then_holds_no_sign_in(
    tmp_path: Path, double: DoubleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in, "_TIMEOUT_S", (0.5, 0.5))
    browser, double.lie = SignedInBrowser(tmp_path, double), {"drips": True}
    began = time.monotonic()
    try:
        assert browser.get("/sign-in").status_code == 503
    finally:
        double.lie = {}
    assert time.monotonic() - began < 10


@VIEWER
def test_a_provider_that_does_not_answer_keeps_no_session_for_longer(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double)
    clock = MovedClock(browser)
    double.gives, double.lie = ("access",), {"claims": {"exp": int(time.time()) + 8 * 3600}}
    assert browser.sign_in().status_code == 302
    double.lie = {"status": 503}
    clock.now += 400
    assert browser.get("/en/").status_code == 200
    double.lie = {}
    clock.now += 40
    assert browser.get("/en/").status_code == 200
    double.lie = {"status": 503}
    clock.now += 601
    assert browser.get("/en/").headers["location"] == "/sign-in"


def test_a_session_goes_on_with_the_tokens_that_the_provider_renews(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double)
    clock = MovedClock(browser)
    double.gives = ("refresh",)
    assert browser.sign_in().status_code == 302
    for minutes in range(0, 120, 20):
        clock.now += 20 * 60
        double.lie = {"claims": {"exp": int(time.time()) + 300}}
        assert browser.get("/en/").status_code == 200, minutes
    double.groups = "bac-giang"
    clock.now += 301
    assert [browser.get(f"/en/facilities/{id_}").status_code for id_ in _IDS].count(200) == 2
    clock.now += SESSION_S
    assert browser.get("/en/").headers["location"] == "/sign-in"


@VIEWER
@pytest.mark.parametrize(
    "lie",
    [
        {"claims": {"sub": "u-2"}},
        {"claims": {"nonce": "of another sign-in"}},
        {"claims": {"provisioner_role": None}},
        {"claims": {"aud": "another-client"}},
        {"key": ec.generate_private_key(ec.SECP256R1())},
    ],
    ids="-".join,
)
def test_a_renewed_token_that_proves_nothing_ends_the_session(
    tmp_path: Path, double: DoubleProvider, lie: dict[str, object]
) -> None:
    browser = SignedInBrowser(tmp_path, double)
    clock = MovedClock(browser)
    double.gives = ("refresh",)
    assert browser.sign_in().status_code == 302
    double.lie = lie
    clock.now += 301
    assert browser.get("/en/").headers["location"] == "/sign-in"


@VIEWER
@pytest.mark.parametrize("person", [{"sub": "u-2"}, {"sub": None}, {"provisioner_role": "root"}], ids=str)
def test_what_the_provider_says_of_a_person_counts(
    tmp_path: Path, double: DoubleProvider, person: dict[str, object]
) -> None:
    browser = SignedInBrowser(tmp_path, double)
    clock = MovedClock(browser)
    double.gives = ("access",)
    assert browser.sign_in().status_code == 302
    double.lie = {"person": person}
    clock.now += 301
    assert browser.get("/en/").headers["location"] == "/sign-in"


@VIEWER
def test_sign_ins_at_a_slow_provider_keep_no_page_waiting(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double)
    assert browser.sign_in().status_code == 302
    cookie = {"Cookie": f"{SESSION}={browser.cookies[SESSION]}"}
    browser.door._provider._asked_s.clear()  # noqa: SLF001 (an hour has passed)
    double.lie = {"wait": 5, "metadata_status": 500}

    async def story() -> tuple[int, bool, set[int]]:
        asked = [asyncio.create_task(browser._ask("GET", "/sign-in", [], None)) for _ in range(200)]  # noqa: SLF001
        await asyncio.sleep(0.5)
        page = (await browser._ask("GET", "/en/", [*cookie.items()], None)).status_code  # noqa: SLF001
        still_wait = not all(task.done() for task in asked)
        return page, still_wait, {(await task).status_code for task in asked}

    assert asyncio.run(story()) == (200, True, {503})
    assert double.asked["/.well-known/openid-configuration"] == 2, "who did not answer is left alone"


@VIEWER
@pytest.mark.parametrize("address", ["198.51.100.9", "2001:db8::9"])
def test_sign_ins_of_one_address_keep_nobody_else_from_signing_in(
    tmp_path: Path, double: DoubleProvider, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Each brings a code that is none to a provider that takes its time."""
    browser = SignedInBrowser(tmp_path, double)
    browser.address = address
    back = urlsplit(double.authorize(browser.begin()))
    cookie = [("Cookie", f"{BEGUN}={browser.cookies[BEGUN]}")]
    answered = threading.Event()

    def tokens(_code: str, _verifier: str) -> sign_in.Tokens:
        answered.wait(30)
        raise ProviderError("it answers 400")

    monkeypatch.setattr(browser.door._provider, "tokens", tokens)  # noqa: SLF001 (a slow provider)

    async def story() -> tuple[int, int]:
        asked = [
            asyncio.create_task(browser._ask("GET", f"{back.path}?{back.query}", cookie, None))  # noqa: SLF001
            for _ in range(100)
        ]
        await asyncio.sleep(0.5)
        refused = [task for task in asked if task.done()]
        browser.address = "198.51.100.10"
        other = asyncio.create_task(browser._ask("GET", "/sign-in", [], None))  # noqa: SLF001
        await asyncio.sleep(0.2)
        answered.set()
        await asyncio.gather(*asked)
        return len(refused), (await other).status_code

    assert asyncio.run(story()) == (84, 302)


def test_a_provider_that_is_not_there_is_said_in_a_sentence(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double, double.settings().replace(double.issuer, "http://127.0.0.1:9"))
    answer = browser.get("/sign-in")
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)
    for metadata in ({"issuer": "https://example.com"}, {"authorization_endpoint": "http://example.com/"}):
        double.lie = {"metadata": metadata}
        assert SignedInBrowser(tmp_path, double).get("/sign-in").status_code == 503


@VIEWER
def test_an_answer_of_the_provider_that_is_none_is_said_in_a_sentence(tmp_path: Path, double: DoubleProvider) -> None:
    double.lie = {"metadata": {"authorization_endpoint": "https://["}}
    assert SignedInBrowser(tmp_path, double).get("/sign-in").status_code == 503
    for content, length in ((b"[" * 100_000, 100_000), (b"{}", 50), (b"{", 1)):
        double.lie = {"content": content, "length": length}
        assert SignedInBrowser(tmp_path, double).get("/sign-in").status_code == 503
    with pytest.raises(UsageError, match="issuer is no https"):
        read_settings(GOOD.replace("https://login.example.com", "https://["), "sign-in.toml")


@LOCAL_USER
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, double: DoubleProvider) -> None:
    SignedInBrowser(tmp_path, double)
    (tmp_path / "secret").chmod(0o640)
    with pytest.raises(UsageError, match="can be read by others"):
        open_sign_in(tmp_path / "sign-in.toml")
    (tmp_path / "secret").unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        open_sign_in(tmp_path / "sign-in.toml")


GOOD = DoubleProvider("https://login.example.com").settings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("issuer", "sign-in.toml: "),
        (GOOD.replace("client_id", "clientid"), "clientid is no setting"),
        (GOOD.replace('"provisioner-pages"', "7"), "client_id is no text"),
        (GOOD.replace("https://login", "http://login"), "issuer is no https:// address"),
        (GOOD.replace("https://pages", "https://user:pass@pages"), "redirect is no https:// address"),
        (GOOD.replace("/sign-in/back", "/back"), "redirect does not end in /sign-in/back"),
        (GOOD.replace("dic:bac-giang", "dic"), "dic is no role"),
        (GOOD.partition("[roles]")[0], "no group has a role"),
        ("\n".join(line for line in GOOD.splitlines() if "issuer" not in line), "issuer is missing"),
    ],
)
def test_settings_that_are_wrong_are_named(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_settings(text, "sign-in.toml")
    assert says in refused.value.message
    assert refused.value.hint


def test_settings_that_are_right_are_read() -> None:
    assert read_settings(GOOD, "sign-in.toml").host == "pages.example.com"
