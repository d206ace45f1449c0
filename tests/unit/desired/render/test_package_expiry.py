"""A package whose days are over is refused by what installs it; of a clock that cannot be right it is told."""

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import VIETNAM, start_of
from provisioner.desired.render.site import MOST_DAYS, render_closed_site, render_site, valid_for
from provisioner.desired.sites import site_spec
from provisioner.inventory.model.facility import GatewaySystem
from tests import fleets, inventories
from tests.unit.desired.render.test_routers import SITE, Router

VALID = fleets.VALID
DURING = start_of(VALID.until) + timedelta(hours=23, minutes=59, seconds=59)
AFTER = start_of(VALID.until + timedelta(days=1))
BEFORE = start_of(VALID.made_on) - timedelta(seconds=1)
OVER = "this package expired: it was valid until 2021-07-12, and the clock here says 2021-07-12"
WRONG = "the clock here cannot be trusted, it says 2021-06-11 and this package was made on 2021-06-12"


def package(system: str, *, changes_key: bool = False) -> dict[str, str]:
    """A package of June 2021."""
    gateway = inventories.facility(SITE)["gateway"] | {"system": system}
    if changes_key:
        gateway["next_key"] = {"since": "2021-06-01"}
    whole = fleets.complete(inventories.inventory(facilities=[fleets.facility(SITE, 1, gateway=gateway)]))
    spec = site_spec(whole, fleets.secrets_of(whole), whole.facilities[SITE])
    return {file.path: file.content.decode() for file in render_site(spec, fleets.templates(), VALID)}


def pushing() -> dict[str, str]:
    whole = fleets.complete(
        inventories.inventory(carriers=[inventories.carrier(publishers={})], facilities=[fleets.pushing(SITE)])
    )
    spec = site_spec(whole, fleets.secrets_of(whole), whole.facilities[SITE])
    return {file.path: file.content.decode() for file in render_site(spec, fleets.templates(), VALID)}


class Machine:
    """A Linux gateway in a folder: what would change it writes that down; its clock says what it is told."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.root, self.package = root / "machine", root / "package"
        for name in ("etc/systemd/system", "usr/local/lib", "bin"):
            (self.root / name).mkdir(parents=True)
        told = 'echo "${0##*/} $*" >>"$ROOT/told"'
        bodies = {"id": "echo 0", "wg": f"{told}; cat >/dev/null; echo KEY", "install": told, "uname": "echo x86_64"}
        bodies |= dict.fromkeys(("nft", "ip", "systemctl"), told)
        for name, body in bodies.items():
            self.program(name, body)
        for name, text in files.items():
            path = self.package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(re.sub(r"(?<![\w.])/(?=etc/|usr/local/)", f"{self.root}/", text))

    def program(self, name: str, body: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(self, at: datetime, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        clock(self.root / "bin", at)
        environment = {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "ROOT": str(self.root)}
        argv = ["sh", str(self.package / script), *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)

    @property
    def changed(self) -> list[str]:
        """What is there that was not, and what was told to other programs."""
        files = [path for path in self.root.rglob("*") if path.is_file() and path.parent.name != "bin"]
        return sorted(str(path.relative_to(self.root)) for path in files)


def clock(programs: Path, at: datetime) -> None:
    """Let `date` say a moment."""
    path = programs / "date"
    path.write_text(f'#!/bin/sh\nexec /bin/date -u -d @{int(at.timestamp())} "$@"\n')
    path.chmod(0o755)


def test_the_linux_installer_refuses_after_the_last_second_in_vietnam_and_not_before(tmp_path: Path) -> None:
    late = Machine(tmp_path / "late", package("linux"))
    done = late.run(AFTER, "install.sh")
    assert (done.returncode, done.stdout, late.changed) == (1, "", [])
    assert f"install.sh: {OVER}: nothing was changed; ask the carrier's NOC for a new package" in done.stderr
    machine = Machine(tmp_path / "machine", package("linux"))
    done = machine.run(DURING, "install.sh")
    assert (done.returncode, done.stdout) == (0, "KEY\n"), done.stderr
    assert "etc/provisioner-site/wg.key" in machine.changed


@pytest.mark.parametrize("word", ["--anyway", "--force"])
def test_no_word_of_the_technician_gets_around_it(tmp_path: Path, word: str) -> None:
    machine = Machine(tmp_path, package("linux"))
    assert machine.run(AFTER, "install.sh", word).returncode == 1
    assert machine.changed == []


def test_a_clock_that_is_before_the_package_is_told_and_refuses_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, package("linux"))
    done = machine.run(BEFORE, "install.sh")
    assert (done.returncode, done.stdout) == (0, "KEY\n")
    assert f"install.sh: {WRONG}: whether it has expired was not checked; it is valid until 2021-07-12" in done.stderr
    assert machine.run(start_of(VALID.made_on), "install.sh").stderr == ""


@pytest.mark.parametrize("words", [(), ("switch",)])
@pytest.mark.parametrize("system", ["linux", "openwrt"])
def test_a_change_of_keys_is_refused_before_it_begins(tmp_path: Path, system: str, words: tuple[str, ...]) -> None:
    machine = Machine(tmp_path, package(system, changes_key=True))
    key = machine.root / "etc/provisioner-site/wg.key"
    key.parent.mkdir()
    key.write_text("KEY")
    done = machine.run(AFTER, "change-key.sh", *words)
    assert (done.returncode, machine.changed, key.read_text()) == (1, ["etc/provisioner-site/wg.key"], "KEY")
    assert f"change-key.sh: {OVER}" in done.stderr


def test_what_pushes_is_refused_and_taken_away_at_any_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path, pushing())
    done = machine.run(AFTER, "install.sh")
    assert (done.returncode, machine.changed) == (1, [])
    assert OVER in done.stderr
    assert machine.run(AFTER, "install.sh", "--remove").returncode == 0


def test_openwrt_refuses_and_tells_likewise(tmp_path: Path) -> None:
    router = Router(tmp_path)
    before = router.settings
    router.take(package("openwrt"))
    clock(router.folder / "bin", AFTER)
    done = router.run("install.sh")
    assert (done.returncode, router.settings, (router.folder / "etc").exists()) == (1, before, False)
    assert OVER in done.stderr
    clock(router.folder / "bin", BEFORE)
    done = router.run("install.sh")
    assert (done.returncode, WRONG in done.stderr) == (0, True)
    assert done.stdout.splitlines() == ["public of KEY-OF-THE-ROUTER"]


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_what_takes_a_gateway_down_has_no_end(system: GatewaySystem) -> None:
    files = {file.path: file.content.decode() for file in render_closed_site(SITE, fleets.templates(), system).files}
    assert "valid_until: null" in files["manifest.yml"]
    assert not [
        name for name, text in files.items() if "expired" in text or "date +%s" in text or "system clock" in text
    ]


# --- RouterOS: the fragment is read as its console reads it ---------------------------------------
_PICK = re.compile(r'\[:pick (\$\w+|"\w+") ([^][()]+|\([^()]+\)) ([^][()]+|\([^()]+\))\]')


def said_by_routeros(script: str, day: str) -> tuple[str, str]:
    """What a script says of its days where the clock says a day: how it ends, and its words."""
    lines = script.splitlines()
    first = lines.index(":local day [/system clock get date]")
    known: dict[str, str | int] = {"day": day}
    for line in lines[first + 1 :]:
        if "$day" not in line and "$number" not in line and not line.startswith(":local number"):
            break
        told = re.fullmatch(r":if \((.*?)\) do=\{ (.*) \}", line)
        condition, body = (told[1], told[2]) if told else ("", line)
        if told and not condition_holds(condition, known):
            continue
        for command in re.split(r"; (?=:)", body):
            word, name, value = re.fullmatch(r":(\w+) (?:(\w+) )?(.*)", command).groups()  # type: ignore[union-attr]
            if word in {"error", "put"}:
                return word, value.strip('"').replace("$day", day)
            if word not in {"local", "set"}:
                return "", ""
            known[name] = worth(value, known)
    return "", ""


def condition_holds(text: str, known: Mapping[str, str | int]) -> bool:
    left, sign, right = re.fullmatch(r"(.*) (=|!=|<|>) (.*)", text).groups()  # type: ignore[union-attr]
    if left.startswith("[:typeof"):
        return bool((isinstance(known["number"], int)) != (sign == "!="))
    one, other = worth(left, known), worth(right, known)
    compared: Mapping[str, Callable[[], bool]] = {
        "=": lambda: one == other,
        "<": lambda: int(one) < int(other),
        ">": lambda: int(one) > int(other),
    }
    return compared[sign]()


def worth(text: str, known: Mapping[str, str | int]) -> str | int:
    """The value of an expression, of those that the fragment has."""
    if text == "[:tonum $number]":
        return int(known["number"]) if str(known["number"]).isdecimal() else ""
    if text.startswith(("(", "[")):
        return worked_out(text, known)
    if text.startswith("$"):
        return known[text[1:]]
    return text.strip('"') if text.startswith('"') else int(text)


def worked_out(text: str, known: Mapping[str, str | int]) -> str | int:
    """The value of what is in brackets."""
    found = re.fullmatch(r'\(\[:find "(\w+)" (\[.*?\])\] / 3 \* 2\)', text)
    if found:
        return found[1].index(str(worth(found[2], known))) // 3 * 2
    if text.startswith("(") and " . " in text:
        return "".join(str(worth(part, known)) for part in text[1:-1].split(" . "))
    picked = _PICK.fullmatch(text)
    if picked is None:
        one, other = text[1:-1].split(" + ")
        return int(worth(one, known)) + int(worth(other, known))
    whole = str(worth(picked[1], known))
    return whole[int(worth(picked[2], known)) : int(worth(picked[3], known))]


SCRIPTS = {name: text for changes in (False, True) for name, text in package("routeros", changes_key=changes).items()}
SCRIPTS = {name: text for name, text in SCRIPTS.items() if name.endswith(".rsc")}
OLD_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def shown(day: date, *, old: bool) -> str:
    return f"{OLD_MONTHS[day.month - 1]}/{day:%d/%Y}" if old else day.isoformat()


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.booleans(), st.sampled_from(sorted(SCRIPTS)))
def test_routeros_refuses_exactly_later_days_in_either_way_to_write_them(day: date, old: bool, name: str) -> None:  # noqa: FBT001
    how, words = said_by_routeros(SCRIPTS[name], shown(day, old=old))
    expected = "error" if day > VALID.until else "put" if day < VALID.made_on else ""
    assert how == expected
    assert not how or words.startswith(f"{name}: ")
    assert not how or shown(day, old=old) in words


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_clock_of_routeros_that_nobody_can_read_is_not_trusted(name: str) -> None:
    how, words = said_by_routeros(SCRIPTS[name], "yesterday")
    assert (how, "the clock here cannot be trusted, it says yesterday" in words) == ("put", True)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_routeros_looks_at_the_clock_before_it_changes_anything(name: str) -> None:
    commands = [line for line in SCRIPTS[name].splitlines() if not line.startswith("#")]
    assert commands[0] == ":local day [/system clock get date]"
    over = next(n for n, line in enumerate(commands) if "this package expired" in line)
    assert not [line for line in commands[:over] if re.search(r"\b(add|remove)\b|/\S+ set\b", line)]


# --- days ----------------------------------------------------------------------------------------
@given(st.dates(date(2021, 1, 1), date(2040, 1, 1)), st.integers(1, MOST_DAYS), st.integers(0, 86_399))
def test_the_last_day_counts_whole_and_the_next_one_not_at_all(made_on: date, days: int, second: int) -> None:
    valid = valid_for(made_on, days)
    last = datetime.combine(made_on + timedelta(days=days), datetime.min.time(), VIETNAM) + timedelta(seconds=second)
    assert valid.made_s <= last.astimezone(UTC).timestamp() < valid.ends_s
    assert (last + timedelta(days=1)).timestamp() >= valid.ends_s
