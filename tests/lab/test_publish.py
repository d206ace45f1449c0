"""A site that pushes, on real hosts with the real MediaMTX: it is proved, broken, judged, and means harm."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

import pytest
import yaml

from provisioner.inventory.files.edit import Flow, edited
from provisioner.inventory.loader.secrets import read_secrets, write_carrier_secrets
from tests import inventories
from tests.hostile import GATEWAY

from .deployment import Deployment, patient
from .held_readers import HeldReaders
from .patience import stretched
from .test_access import BESIDE, OF_CARRIER, ONLY, SITE, install
from .test_key_change import LONGEST_GAP, longest, subs_of
from .test_reach import proved, tried
from .test_verify import all_up, causes, verified
from .topology import Network

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]

UNIT: Final = "provisioner-publish"
FILE: Final = "/etc/provisioner-publish/publish.yml"
_ALLOWED: Final = ("--allow", "trust=9", "--allow", "viewers=99", "--allow", "all_impact=9")

# One request of RTSP over TLS a row of standard input: the answer's status, 0 where there was none.
_ASK: Final = """
import base64, json, socket, ssl, sys
SDP = "v=0\\r\\no=- 0 0 IN IP4 127.0.0.1\\r\\ns=-\\r\\nc=IN IP4 0.0.0.0\\r\\nt=0 0\\r\\nm=video 0 RTP/AVP 96\\r\\n"
SDP += "a=rtpmap:96 H264/90000\\r\\na=fmtp:96 packetization-mode=1\\r\\na=control:trackID=0\\r\\n"
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
said = []
for host, port, method, path, user, password, encrypted in json.load(sys.stdin):
    try:
        link = socket.create_connection((host, port), 5)
        link.settimeout(8)
        link = context.wrap_socket(link) if encrypted else link
        body = SDP if method == "ANNOUNCE" else ""
        scheme = "rtsps" if encrypted else "rtsp"
        head = [f"{method} {scheme}://{host}:{port}/{path} RTSP/1.0", "CSeq: 1"]
        head += ["Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()]
        head += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"] if body else []
        link.sendall(("\\r\\n".join(head) + "\\r\\n\\r\\n" + body).encode())
        said.append(int(link.recv(4096).split()[1]))
    except (OSError, IndexError, ValueError):
        said.append(0)
print(json.dumps(said))
"""


@pytest.fixture
def pushing(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with one site that pushes, from an address that is written down; then as before."""
    if not deployment.engine.is_real:
        pytest.skip("the stand-in takes nothing that is pushed")
    lab, carrier = deployment.lab, deployment.root / f"carriers/{SITE.carrier}.yml"
    carrier.write_bytes(edited(carrier.read_bytes(), {("publishers",): Flow()}))
    deployment.run("facility", "plan", SITE.facility, "--access", "publish")
    file = deployment.facility_file(SITE.facility)
    inventories.sign_file(file)
    address = str(lab.address(SITE.name, Network.WAN))
    file.write_bytes(edited(file.read_bytes(), {("gateway", "public_addresses"): [address]}))
    deployment.run("allocate")
    deployment.run("keys", "init")
    put(deployment)
    deployment.document("apply", "--yes", *_ALLOWED, *patient(90))
    try:
        yield deployment
    finally:
        deployment.git("reset", "--quiet", "--hard")
        lab.exec(SITE.name, ["sh", "/root/site-package/install.sh", "--remove"])
        if install(deployment):
            deployment.commit("the gateway has a key of its own again")


def put(deployment: Deployment) -> None:
    """Do the technician's part: the package with MediaMTX beside it, installed."""
    lab, folder = deployment.lab, deployment.lab.directory / "publish"
    deployment.run("site-package", SITE.facility, "--out", str(folder))
    lab.exec(SITE.name, ["rm", "-rf", "/root/site-package"])
    lab.copy_in(SITE.name, folder / SITE.facility, "/root/site-package")
    lab.copy_in(SITE.name, deployment.engine.path, "/root/site-package/mediamtx")
    lab.exec(SITE.name, ["sh", "/root/site-package/install.sh"], timeout=120)
    shutil.rmtree(folder)


def logins(deployment: Deployment) -> Mapping[str, tuple[str, str]]:
    """The logins by which the site pushes, by path, as its gateway has them."""
    paths = yaml.safe_load(deployment.lab.exec(SITE.name, ["cat", FILE]).stdout)["paths"]
    ends = {name: path["forward"][0]["dest"].removeprefix("rtsps://").partition("@")[0] for name, path in paths.items()}
    return {name: (login.partition(":")[0], login.partition(":")[2]) for name, login in ends.items()}


def gone(cause: str) -> dict[str, str]:
    return dict.fromkeys((f"{SITE.facility}/{camera.id}" for camera in SITE.cameras), cause)


def test_a_site_that_pushes_is_up_beside_others_with_its_lan_and_each_failure_has_its_cause(
    pushing: Deployment,
) -> None:
    lab = pushing.lab
    assert SITE.facility not in yaml.safe_load((pushing.root / "allocations.lock.yml").read_text("utf-8"))["sites"]
    assert lab.exec(SITE.name, ["wg", "show", "wg-prov"], check=False).returncode != 0, "its tunnel is gone"
    found = verified(pushing, *OF_CARRIER, until=all_up, tries=12)
    assert all_up(found), found["incidents"]
    assert {path["facility"] for path in found["paths"]} == {SITE.facility, *BESIDE}
    assert {path["level"] for path in found["paths"]} == {7}
    # No password in a process list or in the journal, and nobody listens.
    processes = lab.exec(SITE.name, ["sh", "-c", "cat /proc/*/cmdline /proc/*/environ; journalctl -u " + UNIT]).stdout
    secrets = [password for _, password in logins(pushing).values()]
    secrets += [lab.camera(f"{SITE.facility}/{camera.id}").password for camera in SITE.cameras]
    assert [secret for secret in secrets if secret in processes] == []
    assert "mediamtx" not in lab.exec(SITE.name, ["ss", "-Htlnp"]).stdout
    expected = {f"{SITE.facility}/{name}": "stream not published" for name in ("cam-01", "cam-02")}
    with ExitStack() as mending:
        unplugged, changing = (lab.camera(f"{SITE.facility}/{name}") for name in ("cam-01", "cam-02"))
        mending.callback(lab.exec, SITE.name, ["systemctl", "restart", UNIT])
        unplugged.unplug()
        mending.callback(unplugged.plug)
        mending.callback(changing.change_password, changing.password)
        changing.change_password("Somebody-changed-it-1")
        time.sleep(20)
        found = verified(pushing, *OF_CARRIER, until=lambda f: causes(f) == expected)
        assert causes(found) == expected, found["incidents"]
        # Whoever asks with a wrong password is not asked again and again.
        assert "is asked no more" in lab.exec(SITE.name, ["journalctl", "-u", UNIT, "-o", "cat"]).stdout


def test_a_site_that_is_silent_is_one_incident_and_a_wrong_password_is_told_from_it(pushing: Deployment) -> None:
    lab = pushing.lab
    verified(pushing, *ONLY, until=all_up, tries=12)
    for breaking, mend, cause in (
        (
            lambda: lab.exec(SITE.name, ["systemctl", "stop", UNIT]),
            ["systemctl", "start", UNIT],
            "site does not publish",
        ),
        (lambda: lab.cut(SITE.name, Network.WAN), [], "site does not publish"),
        (
            lambda: lab.exec(
                SITE.name,
                ["sh", "-ec", f"sed -i 's#\\(rtsps://[^:]*\\):[^@]*@#\\1:wrong@#' {FILE}; systemctl restart {UNIT}"],
            ),
            ["sh", "-ec", f"install -m 0600 /root/site-package/publish.yml {FILE}; systemctl restart {UNIT}"],
            "publisher refused",
        ),
    ):
        breaking()
        time.sleep(15)
        try:
            found = verified(pushing, *ONLY, until=lambda f, cause=cause: causes(f) == gone(cause), tries=12)  # type: ignore[misc]
        finally:
            if mend:
                lab.exec(SITE.name, mend)
            else:
                lab.mend(SITE.name, Network.WAN)
        assert causes(found) == gone(cause), found["incidents"]
        assert [(i["layer"], i["object"]) for i in found["incidents"]] == [("site", SITE.facility)]
        found = verified(pushing, *ONLY, until=all_up, tries=12)
        assert all_up(found), (cause, found["incidents"])


def ask(deployment: Deployment, rows: list[tuple[Any, ...]]) -> list[int]:
    """What the relay answers to requests of the gateway."""
    words = ["python3", "-I", "-c", _ASK]
    return list(json.loads(deployment.lab.exec(SITE.name, words, stdin=json.dumps(rows), timeout=300).stdout))


@GATEWAY
def test_a_gateway_that_means_harm_pushes_its_own_paths_and_does_nothing_else(pushing: Deployment) -> None:
    verified(pushing, *ONLY, until=all_up, tries=12)
    relay, own = str(pushing.lab.address(SITE.relay, Network.WAN)), dict(logins(pushing))
    paths = [path["path"] for path in pushing.document("verify", "--level", "4", *OF_CARRIER, codes=(0, 1))["paths"]]
    others = [path for path in paths if path not in own]
    assert others
    name, login = min(own.items())
    beside = sorted(own)[1]
    rows = [(relay, 8322, "ANNOUNCE", path, *login, True) for path in (*others, beside, "cfg/x", name + "/x")]
    refused = ask(pushing, rows)
    assert not {200} & set(refused), dict(zip(map(str, rows), refused, strict=True))
    assert set(refused[: len(others) + 1]) == {401}
    rows = [(relay, 8322, "DESCRIBE", path, *login, True) for path in (name, beside, *others)]
    assert set(ask(pushing, rows)) == {401}
    # Nobody else's login, none, and no port besides.
    rows = [
        (relay, 8322, "ANNOUNCE", name, login[0], "x", True),
        (relay, 8322, "ANNOUNCE", name, "any", "", True),
        (relay, 8322, "ANNOUNCE", name, *login, False),
        (relay, 8554, "DESCRIBE", name, *login, False),
        (relay, 9997, "DESCRIBE", name, *login, False),
    ]
    assert ask(pushing, rows) == [401, 401, 0, 0, 0]
    # Its own path it may push, and not while the stream is there.
    found = verified(pushing, *OF_CARRIER, until=all_up, tries=12)
    assert all_up(found), found["incidents"]


def test_a_login_that_is_renewed_is_named_by_the_plan_and_the_old_one_is_refused(pushing: Deployment) -> None:
    verified(pushing, *ONLY, until=all_up, tries=12)
    relay = str(pushing.lab.address(SITE.relay, Network.WAN))
    name, login = min(logins(pushing).items())
    session = pushing.direct_session()
    secrets = read_secrets(session.root, session.passwords).secrets.carriers[SITE.carrier]
    assert set(secrets.publish_keys) == {SITE.facility}
    without = secrets.model_copy(update={"publish_keys": {}})
    write_carrier_secrets(session.root, SITE.carrier, without, session.passwords)
    pushing.run("keys", "init")
    plan = pushing.document("plan", "--allow", "viewers=99")
    cut = [change for change in plan["changes"] if change["resource"] == "path" and change["action"] != "noop"]
    assert {(change["facility"], change["impact"]) for change in cut} == {(SITE.facility, "path")}
    assert len(cut) == len(logins(pushing))
    assert [need["facility"] for need in plan["site_packages"]] == [SITE.facility]
    put(pushing)
    pushing.document("apply", "--yes", *_ALLOWED, *patient(90))
    found = verified(pushing, *ONLY, until=all_up, tries=12)
    assert all_up(found), found["incidents"]
    assert ask(pushing, [(relay, 8322, "ANNOUNCE", name, *login, True)]) == [401]


def test_a_relay_shows_its_next_certificate_and_no_stream_that_is_pushed_is_cut(pushing: Deployment) -> None:
    verified(pushing, *ONLY, until=all_up, tries=12)
    lab, renew = pushing.lab, ("certificate", "renew", SITE.relay)
    pushing.run(*renew)
    refused = pushing.run(*renew, "--finish", check=False)
    assert (refused.returncode, SITE.facility in refused.stderr) == (6, True), refused
    put(pushing)
    pushing.run("gateway", "installed", SITE.facility)
    assert all_up(verified(pushing, *ONLY, until=all_up, tries=12))
    with HeldReaders(pushing, SITE.relay, subs_of([SITE])) as readers:
        pushing.run(*renew, "--finish")
        done = pushing.document("apply", "--yes", *_ALLOWED, *patient(90))
        assert done["outcome"] == "applied", done
        time.sleep(stretched(3))
        gap = longest(readers.finish())
    print(f"the longest gap of pushed paths while their relay shows another certificate: {gap:.2f} s")  # noqa: T201
    assert gap < stretched(LONGEST_GAP)
    # Whoever comes anew is shown the other one, and knows it.
    lab.exec(SITE.relay, ["systemctl", "restart", "provisioner-mediamtx"])
    found = verified(pushing, *ONLY, until=all_up, tries=12)
    assert all_up(found), found["incidents"]
    assert "shows its other certificate" in lab.exec(SITE.name, ["journalctl", "-u", UNIT, "-o", "cat"]).stdout


def test_what_prove_says_of_sites_that_push_is_so_by_packets(pushing: Deployment) -> None:
    site, relay = f"site/{SITE.facility}", f"relay/{SITE.relay}"
    beside = [f"site/{facility}" for facility in BESIDE]
    # Where it is written down from where the site comes, its login is taken from there alone.
    known = proved(pushing, ["internet", site], [relay])
    reaches = {(cell["from"], cell["reaches"]) for cell in known if cell["service"] == "publish"}
    assert reaches == {("internet", "part"), (site, "yes")}
    file = pushing.facility_file(SITE.facility)
    file.write_bytes(edited(file.read_bytes(), {("gateway", "public_addresses"): []}))
    cells = proved(pushing, ["internet", "management", "centres", site, *beside], [relay])
    reached = {(cell["from"], cell["service"]) for cell in cells if cell["reaches"] == "yes"}
    assert {("internet", "publish"), (site, "publish")} <= reached
    assert not {(one, "publish") for one in beside} & reached
    assert tried(pushing, cells) == []
