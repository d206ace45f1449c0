"""Laws of logins: one that is set alone changes; one under change goes from the old to the new one, and never back."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.secret import Secret, keyed_digest
from provisioner.base.vault import VaultPasswords, decrypt
from provisioner.desired.render.quote import source_head, source_url
from provisioner.desired.spec import HostSpec, LoginChange, MediaPath, StreamSource
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts, QuarantinedPath
from provisioner.inventory.files.yaml import parse
from provisioner.operations.edit.logins import DeviceLogin, LoginsRequest, set_logins
from provisioner.plan.diff.users import with_live_logins
from tests import inventories as make
from tests.unit.verify.world import PATHS, relay_spec

FEW = settings(max_examples=200, deadline=None)
UNTIL = date(2021, 6, 20)
CHANGING = ("kcl-001", "nvr-1")
ONES = tuple(path.name for path in PATHS if (path.facility, path.device) == CHANGING)
RELAYS = ("edge-1", "edge-2")

#: Of each path the login in the relay's file, and the one that its device refuses; empty where there is none.
Seen = Mapping[str, tuple[str, str]]

seen = st.fixed_dictionaries(
    {
        name: st.tuples(st.sampled_from(("", "old", "new", "other")), st.sampled_from(("", "old", "new")))
        for name in ONES
    }
)


def new_source(path: MediaPath) -> StreamSource:
    return path.pulled._replace(password=Secret("the-new-one"))


def changing(path: MediaPath) -> MediaPath:
    if (path.facility, path.device) != CHANGING:
        return path
    return path._replace(login_change=LoginChange(UNTIL, new_source(path)))


def relay_named(name: str) -> HostSpec:
    spec = relay_spec()
    assert spec.relay
    paths = tuple(map(changing, spec.relay.paths))
    return replace(spec, id=name, relay=replace(spec.relay, paths=paths))


def facts_of(spec: HostSpec, state: Seen) -> HostFacts:
    live, refused = {}, {}
    for path in (path for path in spec.paths if path.login_change):
        sources = {"old": path.pulled, "new": new_source(path), "other": path.pulled._replace(username="else")}
        has, refuses = state[path.name]
        if has:
            source = keyed_digest(spec.digest_key, source_url(sources[has]).encode())
            live[path.name] = wire.PathAnswer(settings={}, digest="", source_digest=source)
        if refuses:
            login = keyed_digest(spec.digest_key, source_head(sources[refuses]).partition("://")[2].encode())
            refused[path.name] = QuarantinedPath(datetime(2021, 6, 1, tzinfo=UTC), "100.64.0.4:10554", login)
    relay = wire.RelayAnswer(settings={}, paths=live, sentinel=None, foreign=0)
    return HostFacts(spec.id, relay=relay, quarantine=refused)


def is_done(spec: HostSpec) -> set[bool]:
    return {path.login_change.done for path in spec.paths if path.login_change}


@FEW
@given(state=seen)
def test_the_new_login_is_desired_once_the_relay_has_it_or_the_old_one_is_refused(state: Seen) -> None:
    spec = relay_named("edge-1")
    after = with_live_logins([spec], {"edge-1": facts_of(spec, state)}).get("edge-1", spec)
    due = any(has == "new" or refuses == "old" for has, refuses in state.values())
    # A device has one login, whatever is seen of its single paths.
    assert is_done(after) == {due}
    for was, path in zip(spec.paths, after.paths, strict=True):
        assert path.source == (new_source(was) if due and was.login_change else was.source)
        assert path._replace(source=was.source, login_change=was.login_change) == was


@FEW
@given(state=seen, later=seen)
def test_it_is_taken_up_again_the_same_and_never_goes_back(state: Seen, later: Seen) -> None:
    spec = relay_named("edge-1")
    facts = {"edge-1": facts_of(spec, state)}
    after = with_live_logins([spec], facts).get("edge-1", spec)
    assert with_live_logins([spec], facts).get("edge-1", spec) == after
    once_more = with_live_logins([after], {"edge-1": facts_of(spec, later)}).get("edge-1", after)
    assert is_done(after) != {True} or once_more == after
    # Once the relay has the new one, whatever its device makes of that: the old one is not tried again.
    has_new = {name: ("new", refuses if refuses != "old" else "") for name, (_, refuses) in later.items()}
    assert is_done(with_live_logins([spec], {"edge-1": facts_of(spec, has_new)})["edge-1"]) == {True}


@FEW
@given(first=seen, second=seen)
def test_what_takes_the_new_login_at_one_relay_is_asked_by_it_at_every_other(first: Seen, second: Seen) -> None:
    """Both ask one device, which counts the refusals of both."""
    specs = [relay_named(name) for name in RELAYS]
    facts = {spec.id: facts_of(spec, state) for spec, state in zip(specs, (first, second), strict=True)}
    after = with_live_logins(specs, facts)
    taken = any(
        any(has == "new" for has, _ in state.values()) and not any(refuses == "new" for _, refuses in state.values())
        for state in (first, second)
    )
    for spec, state in zip(specs, (first, second), strict=True):
        own = any(has == "new" or refuses == "old" for has, refuses in state.values())
        assert is_done(after.get(spec.id, spec)) == {own or taken}


@FEW
@given(state=seen)
def test_a_host_that_was_not_read_keeps_the_old_login(state: Seen) -> None:
    spec = relay_named("edge-1")
    assert with_live_logins([spec], {}) == {}
    assert with_live_logins([relay_spec()], {"edge-1": facts_of(spec, state)}) == {}


ROOT = Path("inventories/example")
NAME = "secrets/cameras/bac-giang.yml"
DEVICES = ("kcl-bg-001/cam-04", "kcl-bg-001/nvr-01", "kcl-bg-002/cam-01", "kcl-bg-002/cam-02")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30)


@cache
def passwords() -> VaultPasswords:
    return VaultPasswords.from_environment({"ANSIBLE_VAULT_PASSWORD_FILE": str(ROOT / ".vault-password")})


def opened(root: Path) -> bytes:
    return decrypt((root / NAME).read_bytes(), passwords(), name=NAME)


@settings(max_examples=25, deadline=None)
@given(devices=st.lists(st.sampled_from(DEVICES), min_size=1, max_size=3), username=TEXTS, password=TEXTS)
def test_a_given_login_is_the_files_and_no_other_changes(devices: list[str], username: str, password: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "inv"
        shutil.copytree(ROOT, root)
        before = opened(root)
        expected = parse(before).value
        assert isinstance(expected, dict)
        for name in devices:
            facility, _, device = name.partition("/")
            expected[facility][device] = {"username": username, "password": password}
        request = LoginsRequest(dict.fromkeys(devices, DeviceLogin(Secret(password), username)))
        set_logins(root, passwords(), request, today=make.TODAY, environment={})
        after = opened(root)
        assert parse(after).value == expected
        comments = [line for line in before.splitlines() if line.startswith(b"#")]
        assert [line for line in after.splitlines() if line.startswith(b"#")] == comments
