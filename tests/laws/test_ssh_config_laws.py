"""Laws of what ssh is told: the real ssh reads out of our files what the inventory says, and nothing else, ever."""

import base64
import subprocess
import tempfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import HostError
from provisioner.base.text import HOST_NAME_FORM, HostName
from provisioner.desired.spec import HostSpec
from provisioner.hosts.ansible.early_start import CONFIG
from provisioner.hosts.ansible.play import own_key
from provisioner.hosts.ansible.ssh_config import ALONE, KNOWN_HOSTS, LINKS, OwnKey, ssh_files
from provisioner.inventory.model.hosts import JumpHost, Ssh
from tests.hostile import MERGE_REQUEST
from tests.unit.operations.rollout.world import state

SOME = settings(max_examples=30, deadline=None)
BASE = state({}).hosts["centre"]
_SHORT = "\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"
host_keys = st.binary(min_size=32, max_size=32).map(
    lambda secret: f"ssh-ed25519 {base64.b64encode(_SHORT.encode() + secret).decode()}"
)
ids = st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,5}){0,2}", fullmatch=True)
# `%`, quotes and blanks are in no user's name; what is of two readings to ssh is drawn the more.
users = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,12}", fullmatch=True) | st.sampled_from(["none", "yes", "Host"])
ports = st.integers(1, 65535)
names = st.from_regex(r"[a-z0-9]([a-z0-9.:-]{0,12}[a-z0-9])?", fullmatch=True)
ssh = st.builds(Ssh, user=users, port=ports, host_key=host_keys) | st.builds(
    Ssh, user=users, port=ports, host_ca=host_keys, principal=names
)
addresses = (
    st.ip_addresses(v=4).map(lambda a: IPv4Address(int(a)))
    | st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda a: a.ipv4_mapped is None)
    | st.from_regex(HOST_NAME_FORM, fullmatch=True, alphabet="abcxyz0189.-").map(HostName)
)
jump_hosts = st.builds(JumpHost, address=addresses, inside=st.just(IPv4Address("192.0.2.1")), ssh=ssh)


@st.composite
def fleets_of_hosts(draw: st.DrawFn) -> list[HostSpec]:
    """Hosts, some of them behind one of two jump hosts."""
    roads = [None, draw(jump_hosts), draw(jump_hosts)]
    names = draw(st.lists(ids, min_size=1, max_size=4, unique=True))
    return [
        replace(BASE, id=name, address=draw(addresses), ssh=draw(ssh), jump=draw(st.sampled_from(roads)))
        for name in names
    ]


def written(specs: list[HostSpec], folder: Path, key: OwnKey | None = None) -> Path:
    """A folder with the two files of some hosts."""
    files = ssh_files(specs, folder, key)
    (folder / CONFIG).write_text(files.config)
    (folder / ALONE).write_text(files.alone)
    (folder / KNOWN_HOSTS).mkdir()
    for name, known in files.known_hosts.items():
        (folder / KNOWN_HOSTS / name).write_text(known)
    return folder


def read_by_ssh(folder: Path, name: str, config: str = CONFIG) -> dict[str, str]:
    """What the real ssh makes of a host's name, by its options; it connects nowhere."""
    done = subprocess.run(
        ["ssh", "-G", "-F", str(folder / config), name], capture_output=True, text=True, check=True, timeout=30
    )
    return {name: value for name, _, value in (line.partition(" ") for line in done.stdout.splitlines())}


def known_under(told: dict[str, str]) -> list[str]:
    """What the real ssh-keygen finds where ssh looks for a host."""
    done = subprocess.run(
        ["ssh-keygen", "-F", told["hostkeyalias"], "-f", told["userknownhostsfile"]],
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if not line.startswith("#")]


def wanted(name: str, ssh: Ssh) -> list[str]:
    """What is to be found there."""
    return [f"{name} {ssh.host_key}"] if ssh.host_key else [f"@cert-authority {ssh.principal} {ssh.host_ca}"]


@SOME
@given(fleets_of_hosts())
def test_ssh_goes_where_the_inventory_says_over_the_jump_host_that_it_says(specs: list[HostSpec]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = written(specs, Path(name))
        for spec in specs:
            told = read_by_ssh(folder, spec.id)
            assert place_in(told) == (spec.address, str(spec.ssh.port), spec.ssh.user)
            assert known_under(told) == wanted(spec.id, spec.ssh)
            if spec.jump is None:
                assert "proxyjump" not in told
                continue
            jump = read_by_ssh(folder, told["proxyjump"])
            assert place_in(jump) == (spec.jump.address, str(spec.jump.ssh.port), spec.jump.ssh.user)
            assert known_under(jump) == wanted(told["proxyjump"], spec.jump.ssh)
            assert "proxyjump" not in jump


def place_in(told: dict[str, str]) -> tuple[object, str, str]:
    """Where ssh would connect to, as whom; ssh writes some addresses in its own way."""
    try:
        place: object = ip_address(told["hostname"])
    except ValueError:
        place = told["hostname"]
    return place, told["port"], told["user"]


@SOME
@given(fleets_of_hosts())
def test_what_one_host_is_known_by_counts_for_no_other(specs: list[HostSpec]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = written(specs, Path(name))
        files = [read_by_ssh(folder, spec.id)["userknownhostsfile"] for spec in specs]
        assert len(set(files)) == len(specs)
        assert all(len(Path(file).read_text().splitlines()) == 1 for file in files)


@SOME
@given(fleets_of_hosts())
def test_on_every_leg_ssh_takes_the_pinned_key_alone_and_gives_nothing_of_ours_away(specs: list[HostSpec]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = written(specs, Path(name), OwnKey("/keys/100%_of id.pub", "/keys/100%_of id-cert.pub"))
        legs = [spec.id for spec in specs] + [f"jump.{n}" for n in range(len({s.jump for s in specs if s.jump}))]
        for leg in legs:
            told = read_by_ssh(folder, leg)
            assert told["stricthostkeychecking"] == "true"
            assert told["userknownhostsfile"] == str(folder / KNOWN_HOSTS / leg)
            assert told["globalknownhostsfile"] == "/dev/null"
            assert told["identityfile"] == "/keys/100%%_of id.pub"
            assert told["certificatefile"] == "/keys/100%%_of id-cert.pub"
            assert told["identitiesonly"] == "yes"
            for option in ("forwardagent", "forwardx11", "permitlocalcommand", "updatehostkeys", "controlmaster"):
                assert told[option] in {"no", "false"}, option
            assert told["batchmode"] == "yes"
            for option in ("proxycommand", "localcommand", "remotecommand", "knownhostscommand"):
                assert told.get(option, "none") == "none", option
            # What goes to a jump host goes over the connection that is open, but where it is to say what is wrong.
            link = str(folder / LINKS / leg) if leg.startswith("jump.") else "none"
            assert told.get("controlpath", "none") == link
            assert "controlpath" not in read_by_ssh(folder, leg, ALONE)


hostile = st.text(max_size=20).map(lambda text: f"x{text}") | st.sampled_from(
    [
        *("x\nProxyCommand id", "%h.example.com", "fe80::1%h", "a.example.com ProxyCommand"),
        *("a.example.com\nProxyCommand id", "-oProxyCommand=id.example.com", "[2001:db8::1]", "x ProxyCommand", "%h"),
        *("x`id`", "$(id)", "-oProxyCommand=id", "*", "!x", 'x"', "x\r", "é", ""),
    ]
)


WHERE = ("id", "user", "jump user", "host key", "jump host key", "address", "jump address", "principal", "host ca")


@MERGE_REQUEST
@SOME
@given(hostile, st.sampled_from(WHERE), st.booleans())
def test_no_text_of_an_inventory_becomes_a_line_of_its_own(text: str, where: str, named: bool) -> None:  # noqa: FBT001
    """Past the model's own forms, as if these did not hold: the file has the lines that it always has, or none."""
    kind = HostName if named else str
    jump = JumpHost.model_construct(
        address=kind(text) if where == "jump address" else IPv4Address("192.0.2.1"),  # type: ignore[arg-type]
        inside=None,
        ssh=BASE.ssh.model_copy(
            update={"user": text} if where == "jump user" else {"host_key": text} if where == "jump host key" else {}
        ),
    )
    edits: dict[str, dict[str, Any]] = {
        "user": {"user": text},
        "host key": {"host_key": text},
        "principal": {"host_key": None, "host_ca": BASE.ssh.host_key, "principal": text},
        "host ca": {"host_key": None, "host_ca": text, "principal": "relay-1"},
    }
    spec = replace(
        BASE,
        id=text if where == "id" else "relay-1",
        address=kind(text) if where == "address" else IPv4Address("192.0.2.2"),  # type: ignore[arg-type]
        ssh=BASE.ssh.model_copy(update=edits.get(where, {})),
        jump=jump,
    )
    try:
        files = ssh_files([spec], Path("/run"), None)
    except (HostError, ValueError):
        return
    assert where in {"id", "user", "jump user", "principal"}, "an address and a key have one form"
    usual = ssh_files([replace(BASE, id="relay-1", jump=jump)], Path("/run"), None)
    assert [line.split()[0] for line in files.config.splitlines() if line] == [
        line.split()[0] for line in usual.config.splitlines() if line
    ]
    assert all(len(known.splitlines()) == 1 for known in files.known_hosts.values())


@pytest.mark.parametrize("path", ['/a"b', "/a\\b", "/$HOME/id", "/a\nProxyCommand id"])
def test_a_key_whose_path_ssh_would_read_as_something_else_is_refused(path: str) -> None:
    with pytest.raises(HostError, match="ssh cannot be told a path"):
        ssh_files([BASE], Path("/run"), OwnKey(path))


@pytest.mark.parametrize("named", ["id", "id.pub"])
@pytest.mark.parametrize("beside", ["id-cert.pub", "another-cert.pub"])
def test_a_certificate_goes_with_its_key_whichever_half_is_named(tmp_path: Path, named: str, beside: str) -> None:
    (tmp_path / beside).touch()
    key = own_key({"PROVISIONER_SSH_KEY": str(tmp_path / named)})
    # Beside a private key ssh looks for itself.
    certificate = str(tmp_path / "id-cert.pub") if (named, beside) == ("id.pub", "id-cert.pub") else None
    assert key == OwnKey(str(tmp_path / named), certificate)
    assert own_key({}) is None


@pytest.mark.parametrize("folder", ["/run/a b", "/run/$(id)", "/run/a;id", "/run/%h"])
def test_a_folder_that_a_shell_would_read_as_something_else_leads_over_no_jump_host(folder: str) -> None:
    jump = JumpHost(address=IPv4Address("127.0.0.1"), ssh=BASE.ssh)
    with pytest.raises(HostError, match=r"no jump host|ssh cannot be told"):
        ssh_files([replace(BASE, jump=jump)], Path(folder), None)


def test_the_ssh_to_the_jump_host_reads_the_same_file(tmp_path: Path) -> None:
    """OpenSSH hands `-F` on to the ssh that it starts for a jump host; nothing else of its words."""
    jump = JumpHost(address=IPv4Address("127.0.0.1"), ssh=BASE.ssh.model_copy(update={"port": 1}))
    folder = written([replace(BASE, id="relay-1", jump=jump)], tmp_path)
    done = subprocess.run(
        ["ssh", "-v", "-F", str(folder / CONFIG), "relay-1", "true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert f"-F {folder / CONFIG} -v -W '[%h]:%p' jump.0" in done.stderr
    assert "connect to host 127.0.0.1 port 1: Connection refused" in done.stderr
