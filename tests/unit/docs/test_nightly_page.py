"""The page on nights: its files are valid, its recipe checks what is sent, its table is that of the code."""

import re
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from provisioner.base.http import ATTEMPT_S, MOST_ATTEMPTS, TOTAL_S
from provisioner.base.roles import Matter, Reach, ReaderRole, ReaderScope
from provisioner.base.secret import Secret
from provisioner.base.vault import encrypt
from provisioner.integrations.notify.delivery import SIGNATURE, TIMESTAMP, signed_headers
from provisioner.integrations.notify.formats import LASTS
from provisioner.inventory.model.receivers import ReceiverKind
from provisioner.operations.edit.validate import validate
from provisioner.operations.nightly.notices import switchboard
from provisioner.operations.pipeline.session import Session
from tests.unit.docs.pages import ROOT, fences, section, text_of

PAGE = text_of("docs/operate/nightly.md")


def blocks(language: str) -> list[str]:
    return ["\n".join(fence.lines) + "\n" for fence in fences(PAGE) if fence.language == language]


def test_the_files_of_the_page_are_valid(tmp_path: Path) -> None:
    root = tmp_path / "example"
    shutil.copytree(ROOT / "inventories/example", root)
    receivers, vaulted = blocks("yaml")
    (root / "receivers.yml").write_text(receivers, encoding="utf-8")
    password = (root / ".vault-password").read_bytes().strip()
    (root / "secrets/receivers.yml").write_text(encrypt(vaulted.encode(), password, "secrets"), encoding="utf-8")
    environment = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")}
    problems = validate(root, environment, today=date(2026, 1, 1), cached=False).problems
    assert [problem for problem in problems if problem.object == "receivers"] == []


def test_the_receivers_of_the_example_have_every_role_and_call_example_hosts_alone(tmp_path: Path) -> None:
    root = tmp_path / "example"
    shutil.copytree(ROOT / "inventories/example", root)
    assert not (root / "receivers.yml").exists(), "a night of the example calls nobody"
    shutil.copytree(ROOT / "inventories/example-receivers", root, dirs_exist_ok=True)
    environment = {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")}
    assert validate(root, environment, today=date(2021, 6, 13), cached=False).problems == ()
    session = Session(root, environment, date(2021, 6, 13))
    board = switchboard(session)
    assert {one.role for one in board.receivers} == set(ReaderRole)
    assert {one.kind for one in board.receivers} == set(ReceiverKind)
    for one in board.receivers:
        assert board.transports.fault(one) is None
        host = urlsplit(one.url).hostname if one.url else one.server
        assert host is not None
        assert host.endswith(".example.com")
        assert all(address.reveal().endswith("@example.com") for address in board.transports.secrets(one).addresses)


def test_the_recipe_takes_what_is_sent_and_nothing_else() -> None:
    names: dict[str, Any] = {}
    (source,) = blocks("python")
    exec(compile(source, "docs/operate/nightly.md", "exec"), names)  # noqa: S102 (our own page)
    is_genuine = cast("Callable[[str, str, str, bytes], bool]", names["is_genuine"])
    headers: Mapping[str, str] = signed_headers(b"{}", Secret("k" * 32), datetime(2021, 5, 20, tzinfo=UTC), "d")
    timestamp, signature = headers[TIMESTAMP], headers[SIGNATURE]
    assert is_genuine("k" * 32, timestamp, signature, b"{}")
    assert not is_genuine("k" * 32, timestamp, signature, b"[]")
    assert not is_genuine("k" * 32, str(int(timestamp) + 1), signature, b"{}")
    assert not is_genuine("x" * 32, timestamp, signature, b"{}")


def test_the_table_of_roles_names_every_role_and_who_gets_evidence() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+) \| (.+) \|$", section(PAGE, "Notices"), re.MULTILINE)
    named = {
        ReaderRole(role): (status, evidence) for roles, status, evidence in rows for role in re.findall(r"\w+", roles)
    }
    assert set(named) == set(ReaderRole)
    for role, (status, evidence) in named.items():
        reader = ReaderScope(role, "" if role in {ReaderRole.MINISTRY, ReaderRole.STEERING} else "x")
        assert (evidence != "no") == (reader.reach(Matter.SITE_NETWORK) is Reach.OWN)
        assert ("numbers" in status) == (reader.reach(Matter.STATUS) is Reach.COUNTS)
        assert ("all" in status) == (reader.reach(Matter.STATUS) is Reach.ALL)


def test_the_bounds_of_the_page_are_those_of_the_code() -> None:
    words = {4: "four times"}
    assert f"{words[MOST_ATTEMPTS]} and for {TOTAL_S:.0f} s at most; one attempt takes {ATTEMPT_S:.0f} s" in PAGE
    assert f"after {LASTS.total_seconds() / 3600:.0f} hours" in PAGE
