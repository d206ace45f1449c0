"""Readers sign in at a provider that follows the published metadata; one that lies lets nobody in."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from provisioner.base.errors import UsageError
from provisioner.web.app import ServedPages
from provisioner.web.sign_in import SESSION_S, SignInDoor, open_sign_in, read_settings
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
    honest.lie, honest.groups, honest.asked = {}, "noc-engineers", {}
    yield honest
    honest.codes.clear()


class SignedInBrowser(PageClient):
    """A browser that keeps its cookies."""

    def __init__(self, folder: Path, double: DoubleProvider, settings: str = "") -> None:
        (folder / "secret").write_text(SECRET)
        (folder / "secret").chmod(0o600)
        (folder / "sign-in.toml").write_text(settings or double.settings())
        self.door: SignInDoor = open_sign_in(folder / "sign-in.toml")
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
def test_a_token_that_proves_nothing_lets_nobody_in(
    tmp_path: Path, double: DoubleProvider, lie: dict[str, object]
) -> None:
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


def test_a_session_ends(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double)
    now = [time.monotonic()]
    browser.door._sessions._clock = lambda: now[0]  # noqa: SLF001 (a clock that can be moved)
    assert browser.sign_in().status_code == 302
    now[0] += SESSION_S - 1
    assert browser.get("/en/").status_code == 200
    now[0] += 2
    assert browser.get("/en/").headers["location"] == "/sign-in"


def test_a_provider_that_is_not_there_is_said_in_a_sentence(tmp_path: Path, double: DoubleProvider) -> None:
    browser = SignedInBrowser(tmp_path, double, double.settings().replace(double.issuer, "http://127.0.0.1:9"))
    answer = browser.get("/sign-in")
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)
    for metadata in ({"issuer": "https://example.com"}, {"authorization_endpoint": "http://example.com/"}):
        double.lie = {"metadata": metadata}
        assert SignedInBrowser(tmp_path, double).get("/sign-in").status_code == 503


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
