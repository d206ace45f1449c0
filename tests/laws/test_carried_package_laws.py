"""What is said of the package of a gateway is so, whatever was handed out, installed, said and seen, in any order."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.record.lifecycle.evidence import LastCheck, ProvedAt
from provisioner.record.lifecycle.site_packages import (
    HandedPackage,
    NamedRelay,
    PackageRecord,
    PackageState,
    WantedPackage,
    package_status,
)

START = datetime(2021, 5, 8, tzinfo=UTC)
RELAYS = [
    NamedRelay(f"relay-{name}", f"key-{key}", f"203.0.113.{place}:51820", "10.91.0.1", "10.91.0.7")
    for name, key, place in (("1", "a", 1), ("1", "b", 1), ("1", "a", 9), ("2", "c", 2))
]
contents = st.lists(st.sampled_from(range(len(RELAYS))), min_size=1, max_size=2, unique_by=lambda n: RELAYS[n].relay)
Content = tuple[NamedRelay, ...]
packages = st.one_of(contents.map(lambda places: tuple(RELAYS[place] for place in sorted(places))), st.just(()))
days = st.integers(0, 2).map(lambda more: START.date() + timedelta(days=more))
steps = st.one_of(
    st.tuples(st.just("hand out"), packages), *(st.just((word, ())) for word in ("install", "say", "see"))
)


@dataclass
class Site:
    """What is so at a site, and what is recorded of it."""

    carried: Content | None  #: What the gateway has; None where it has nothing yet.
    place: int = -1  #: Which of the packages that were handed out it has; below 0 where it has none of them.
    handed: list[HandedPackage] = field(default_factory=list)
    said: list[tuple[ProvedAt, str]] = field(default_factory=list)
    checks: dict[str, LastCheck] = field(default_factory=dict)
    connected: ProvedAt | None = None
    #: By relay, the key that it has: the one that packages name from then on.
    live: dict[str, str] = field(default_factory=dict)
    hour: int = 0

    def take(self, word: str, content: Content) -> None:
        self.hour += 1
        now = ProvedAt(START + timedelta(hours=self.hour), f"run-{self.hour}")
        if word == "hand out":
            digest = repr(content)
            self.live |= {one.relay: one.public_key for one in content}
            if not self.handed or self.handed[-1].digest != digest:
                self.handed.append(HandedPackage(now, "noc", content, digest, takes_down=not content))
        elif word == "install" and self.handed:
            self.place, self.carried = len(self.handed) - 1, self.handed[-1].relays
        elif word == "say" and self.place >= 0:
            self.said.append((now, self.handed[self.place].digest))
        elif word == "see":
            for one in self.carried or ():
                if self.live.setdefault(one.relay, one.public_key) != one.public_key:
                    continue
                self.checks[one.relay] = LastCheck("", "", one.relay, now.at, 4, 4, 4, now.run)
                self.connected = self.connected or now


@settings(max_examples=400)
@given(packages | st.none(), st.lists(steps, max_size=10), st.none() | packages)
def test_what_is_said_of_a_package_is_so(
    before: Content | None, story: list[tuple[str, Content]], other: Content | None
) -> None:
    site = Site(before)
    if before:
        site.take("see", ())
    for step in story:
        site.take(*step)
    wanted = site.handed[-1].relays if other is None and site.handed else other or ()
    record = PackageRecord(tuple(site.handed), tuple(site.said))
    checks = tuple(site.checks.values())
    standing = package_status("kcl-1", record, WantedPackage(wanted), checks, site.connected)
    assert (standing.state is PackageState.NOT_RECORDED) == (not site.handed)
    if standing.state is PackageState.CURRENT:
        assert site.carried == wanted
        assert standing.command == ""
    else:
        assert standing.command
    if site.handed and site.place >= 0:
        named = {one.relay for one in site.carried or () if one not in wanted}
        assert named <= set(standing.former)
    if site.handed and site.handed[-1].relays != wanted:
        assert standing.state is PackageState.OLDER


@given(packages | st.none(), st.lists(steps, max_size=10), st.none() | packages, st.none() | days, days)
def test_a_package_expires_only_while_nobody_knows_that_it_is_installed(
    before: Content | None, story: list[tuple[str, Content]], other: Content | None, until: date | None, today: date
) -> None:
    site = Site(before)
    for step in (("see", ()), *story):
        site.take(*step)
    wanted = WantedPackage(site.handed[-1].relays if other is None and site.handed else other or ())
    record = PackageRecord(tuple(replace(one, until=until) for one in site.handed), tuple(site.said))
    known = record, wanted, tuple(site.checks.values()), site.connected
    timeless, now = package_status("kcl-1", *known), package_status("kcl-1", *known, today=today)
    is_over = timeless.state is PackageState.HANDED_OUT and until is not None and today > until
    assert now == (replace(timeless, state=PackageState.EXPIRED) if is_over else timeless)
    assert not is_over or now.command == "provisioner site-package kcl-1 --out DIR"


@given(packages, packages)
def test_a_package_said_to_be_installed_is_current_until_another_is_wanted(one: Content, other: Content) -> None:
    site = Site(None)
    for step in (("hand out", one), ("install", ()), ("say", ())):
        site.take(*step)
    record = PackageRecord(tuple(site.handed), tuple(site.said))
    said = package_status("kcl-1", record, WantedPackage(other), (), None)
    assert (said.state is PackageState.CURRENT) == (one == other)
    assert set(said.former) == {named.relay for named in one if named not in other}
