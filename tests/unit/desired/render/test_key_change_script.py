"""What changes a router's key, run on OpenWrt with the router's own programs played; Linux runs it in the lab."""

import json
import subprocess
from pathlib import Path

import pytest

from provisioner.desired.render.site import render_site
from provisioner.desired.sites import site_spec
from provisioner.desired.spec import SiteSpec
from tests import fleets, inventories

from .test_routers import SITE, Router

KEYS = {f"KEY-{number}": inventories.public_key(f"key {number}") for number in range(1, 5)}
SECONDS = " ".join(map(str, range(1, 21)))
PRESENT, FOLLOWING = KEYS["KEY-1"], KEYS["KEY-2"]

_WG = """#!/usr/bin/python3 -IS
import json, sys, time
from pathlib import Path
folder, public = Path({folder!r}), {public}
words = sys.argv[1:]
key = folder / "etc" / "wg.key"
if words[0] == "genkey":
    made = folder / "made"
    number = int(made.read_text()) + 1 if made.exists() else 1
    made.write_text(str(number))
    print(f"KEY-{{number}}")
elif words[0] == "pubkey":
    print(public[sys.stdin.read().strip()])
elif words[:1] == ["show"] and words[2] == "peers":
    print("RELAY")
elif words[:1] == ["show"] and words[2] == "latest-handshakes":
    seen = folder / "seen"
    print(f"RELAY\\t{{seen.read_text() if seen.exists() else 0}}")
elif words[:1] == ["set"]:
    if words[-1] != "off" and key.read_text().strip() in json.loads((folder / "known").read_text()):
        (folder / "seen").write_text(str(int(time.time())))
else:
    sys.exit(1)
"""


class ChangingRouter(Router):
    """A router with a key, and a relay that knows some keys of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        wg = folder / "bin" / "wg"
        wg.write_text(_WG.format(folder=str(folder), public=KEYS))
        (folder / "bin" / "sleep").write_text("#!/bin/sh\n")
        (folder / "bin" / "sleep").chmod(0o755)
        self.config = folder / "config"
        self.config.mkdir()
        for name in ("network", "firewall"):
            (self.config / name).write_text(f"the {name} of before\n")
        self.knows("KEY-1")

    def knows(self, *keys: str) -> None:
        (self.folder / "known").write_text(json.dumps(keys))

    @property
    def key(self) -> str:
        return (self.folder / "etc/wg.key").read_text().strip()

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        place = self.folder / "package"
        for path in (place / name for name in ("change-key.sh", "install.sh")):
            text = path.read_text() if path.exists() else ""
            for old, new in (
                ("/etc/config/", f"{self.config}/"),
                ("/etc/provisioner-site", str(self.folder / "etc")),
                ("/etc/init.d/", "true "),
                (SECONDS, "1 2"),
            ):
                text = text.replace(old, new)
            path.write_text(text)
        return super().run(script, *words)

    def installed(self) -> None:
        """The first package was installed."""
        self.take(texts_of(spec()))
        assert self.run("install.sh").returncode == 0


def spec(following: str | None = None) -> SiteSpec:
    gateway = inventories.facility(SITE)["gateway"] | {"system": "openwrt", "public_key": PRESENT}
    if following is not None:
        gateway["next_key"] = {"since": "2021-06-01"} | ({"public_key": following} if following else {})
    site = fleets.facility(SITE, 1, gateway=gateway)
    whole = fleets.complete(inventories.inventory(facilities=[site]))
    return site_spec(whole, fleets.secrets_of(whole), whole.facilities[SITE])


def texts_of(site: SiteSpec) -> dict[str, str]:
    return {file.path: file.content.decode() for file in render_site(site, fleets.templates(), fleets.valid_now())}


@pytest.fixture
def router(tmp_path: Path) -> ChangingRouter:
    router = ChangingRouter(tmp_path)
    router.installed()
    return router


def psk_of(router: ChangingRouter) -> object:
    return router.settings["network.prov_peer_1"]["preshared_key"]


def test_the_first_step_makes_a_key_and_changes_nothing(router: ChangingRouter) -> None:
    before, psk = router.settings, psk_of(router)
    router.take(texts_of(spec("")))
    for _ in range(2):
        done = router.run("change-key.sh")
        assert (done.returncode, done.stdout) == (0, f"{FOLLOWING}\n"), done.stderr
    refused = router.run("install.sh")
    assert (refused.returncode, "run change-key.sh" in refused.stderr) == (1, True)
    assert (router.key, router.settings, psk_of(router)) == ("KEY-1", before, psk)


def test_the_second_step_takes_the_pair_into_use_and_is_safe_to_run_again(router: ChangingRouter) -> None:
    router.take(texts_of(spec("")))
    router.run("change-key.sh")
    router.knows("KEY-1", "KEY-2")
    router.take(texts_of(spec(FOLLOWING)))
    done = router.run("change-key.sh", "switch")
    assert (done.returncode, done.stdout) == (0, f"{FOLLOWING}\n"), done.stderr
    (link,) = spec(FOLLOWING).links
    assert (router.key, psk_of(router)) == ("KEY-2", link.psk.reveal())
    assert link.psk.reveal() != spec().links[0].psk.reveal()
    assert sorted(path.name for path in (router.folder / "etc").iterdir()) == ["facility", "wg.key"]
    again = router.run("change-key.sh", "switch")
    assert (again.returncode, again.stdout) == (0, f"{FOLLOWING}\n")
    router.take(texts_of(spec()))
    assert router.run("install.sh").stdout == f"{FOLLOWING}\n", "later packages keep it"


def test_a_router_that_no_relay_answers_goes_back_to_what_it_had(router: ChangingRouter) -> None:
    router.take(texts_of(spec(FOLLOWING)))
    assert router.run("change-key.sh").stdout == f"{FOLLOWING}\n"
    done = router.run("change-key.sh", "switch")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no relay answers by the new key, and this gateway has its present one again" in done.stderr
    assert router.key == "KEY-1"
    assert [(router.config / name).read_text() for name in ("network", "firewall")] == [
        "the network of before\n",
        "the firewall of before\n",
    ]
    assert (router.folder / "etc/wg.key.next").read_text() == "KEY-2\n", "the next try has it still"
    router.knows("KEY-2")
    assert router.run("change-key.sh", "switch").returncode == 0
    assert router.key == "KEY-2"


def test_what_does_not_fit_is_refused_and_changes_nothing(router: ChangingRouter) -> None:
    router.take(texts_of(spec(KEYS["KEY-4"])))
    assert "there is no next key" in router.run("change-key.sh", "switch").stderr
    router.run("change-key.sh")
    for words, told in ((("switch",), "another one than was reported"), (("now",), "I know no now")):
        done = router.run("change-key.sh", *words)
        assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert router.key == "KEY-1"
    (router.folder / "etc/wg.key").unlink()
    assert "this gateway has no key yet" in router.run("change-key.sh").stderr
