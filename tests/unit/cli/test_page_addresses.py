"""The dashboard and the pages link each other by addresses that are given, and never by one with a login."""

import json
from pathlib import Path

import pytest

from provisioner.integrations.alerting.kit import dashboard_file
from provisioner.web.static import files_of
from tests.boards import NOW, StripedPast, board
from tests.example_terminal import EXAMPLE
from tests.unit.cli.test_plan import Terminal, call

__all__ = ["call"]  # the fixture


def test_the_dashboard_links_the_pages_and_invents_no_host(call: Terminal) -> None:
    assert json.loads(dashboard_file())["links"] == []
    folder = call.root / "kit"
    assert call("monitoring", str(folder), "--pages-url", "https://pages.example.com/")[0] == 0
    (link,) = json.loads((folder / "grafana-dashboard.json").read_text())["links"]
    assert link["url"] == "https://pages.example.com/"


def test_the_pages_link_the_dashboard_and_invent_no_host() -> None:
    address = "https://grafana.example.com/d/provisioner-paths"
    linked, plain = (dict(files_of(board(), StripedPast(), NOW, url)) for url in (address, ""))
    for name, content in linked.items():
        if name.endswith(".html") and name != "index.html":
            assert content.count(address.encode()) == 1, name
            assert b"Dashboard" not in plain[name], name


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "https://noc:secret@grafana.example.com/", "grafana", "https://", "https://a b/", "//x/"],
)
def test_what_is_no_address_or_holds_a_login_is_refused(call: Terminal, address: str, tmp_path: Path) -> None:
    commands = (
        ["report", "html", str(tmp_path / "x"), "--dashboard-url", address],
        ["serve", "--dashboard-url", address],
    )
    for words in (*commands, ["monitoring", str(tmp_path / "y"), "--pages-url", address]):
        code, _, err = call(*words)
        assert code == 2, words
        assert "secret" not in err.replace("may hold a secret", "")
    assert not (call.root / EXAMPLE / "x").exists()
