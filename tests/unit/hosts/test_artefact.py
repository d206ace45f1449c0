"""MediaMTX's program is taken from where the inventory says, only with the right checksum, and from nowhere inside."""

import datetime as dt
import gzip
import hashlib
import io
import os
import socket
import ssl
import struct
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from provisioner.base.errors import HostError
from provisioner.base.text import is_public
from provisioner.hosts import download
from provisioner.hosts.artefact import architecture_of, fetch, refusal_here
from provisioner.inventory.model.policy import MediamtxArtefact
from provisioner_host.change import preflight
from provisioner_host.machine.shell import Failed
from tests.hostile import LOCAL_USER, MERGE_REQUEST

PROGRAM = b"#!/bin/sh\necho v1.20.1\n"
DIGEST = hashlib.sha256(PROGRAM).hexdigest()
HOST = "mirror.example.com"
INSIDE = "inside.example.com"
Resolve = Callable[..., list[Any]]


@dataclass
class Mirror:
    """A mirror over TLS on this machine: what it has, where it sends on, and what it was asked."""

    port: int
    authority: Path
    home: Path
    redirects: dict[str, str] = field(default_factory=dict)
    content: bytes = PROGRAM
    drips: bytes = b""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def address(self, path: str = "/mediamtx-{version}-{arch}", host: str = HOST) -> str:
        return f"https://{host}:{self.port}{path}"

    def environment(self, named: str = HOST) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PROVISIONER_ARTEFACT_MIRRORS": named,
            "REQUESTS_CA_BUNDLE": str(self.authority),
            "XDG_CACHE_HOME": str(self.home / "cache"),
        }


def certificate(folder: Path, *names: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    (folder / "authority.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / "authority.pem"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, dict(self.headers)))
            if target := made.redirects.get(self.path):
                self.send_response(302)
                self.send_header("Location", target)
                self.end_headers()
                return
            with suppress(OSError):
                while made.drips:
                    self.wfile.write(made.drips)
                    made.drips = made.drips if b"100" in made.drips else b"x"
                    time.sleep(0.05)
            there = self.path == "/mediamtx-1.20.1-amd64"
            self.send_response(200 if there else 404)
            self.end_headers()
            self.wfile.write(made.content if there else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's own word)
            """Say nothing."""

    resolve = socket.getaddrinfo

    def here(host: str, *args: Any, **options: Any) -> list[Any]:
        return resolve("127.0.0.1" if host in {HOST, INSIDE} else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    authority = certificate(tmp_path, HOST, INSIDE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        made = Mirror(server.server_address[1], authority, tmp_path)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        made.drips = b""
        server.shutdown()
        thread.join()


def artefact(source: str, digest: str = DIGEST) -> MediamtxArtefact:
    return MediamtxArtefact(version="1.20.1", source=source, sha256={"amd64": digest})


def refused(source: str, environment: Mapping[str, str], digest: str = "0" * 64) -> str:
    """What is said of a source that cannot be had."""
    with pytest.raises(HostError) as caught:
        fetch(artefact(source, digest), "amd64", environment)
    assert caught.value.exit_code == 5
    return f"{caught.value.message} {caught.value.hint}"


# --- mirrors ----------------------------------------------------------------------------------------
def test_a_mirror_is_asked_once_and_then_the_cache_has_it(mirror: Mirror) -> None:
    for _ in range(2):
        path = fetch(artefact(mirror.address()), "amd64", mirror.environment())
        assert path.read_bytes() == PROGRAM
    ((path_asked, headers),) = mirror.asked
    assert path_asked == "/mediamtx-1.20.1-amd64"
    assert headers["Host"] == f"{HOST}:{mirror.port}"


def test_a_file_of_another_checksum_is_refused_and_not_kept(mirror: Mirror) -> None:
    assert "is not the one in the inventory" in refused(mirror.address(), mirror.environment())
    assert [path for path in (mirror.home / "cache").rglob("*") if path.is_file()] == []


def test_a_cache_that_was_tampered_with_is_refused(mirror: Mirror) -> None:
    fetch(artefact(mirror.address()), "amd64", mirror.environment()).write_bytes(b"something else")
    assert "checksum" in refused(mirror.address(), mirror.environment(), DIGEST)


def test_a_mirror_without_the_file_names_the_address_and_the_way_out(mirror: Mirror) -> None:
    said = refused(mirror.address("/nothing-there"), mirror.environment())
    assert "nothing-there cannot be had: it answers 404" in said
    assert "mediamtx.source" in said


def test_an_architecture_without_a_checksum_is_refused() -> None:
    with pytest.raises(HostError, match=r"no checksum of MediaMTX 1\.20\.1 for arm64") as caught:
        fetch(artefact("file:relay"), "arm64", {})
    assert caught.value.hint == "add it to inventory.yml at mediamtx.sha256.arm64"


# --- what it is built for ---------------------------------------------------------------------------
# The first 20 bytes of an ELF file by elf(5): 64 bits, little-endian, an executable, then e_machine.
AMD64, ARM64 = (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + struct.pack("<H", machine) for machine in (62, 183))


def as_release(program: bytes) -> bytes:
    """A release's archive with a text before the program."""
    folded = io.BytesIO()
    with tarfile.open(fileobj=folded, mode="w:gz") as archive:
        for name, content in (("LICENSE", b"MIT"), ("mediamtx", program)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return folded.getvalue()


@pytest.mark.parametrize("form", [bytes, as_release])
@pytest.mark.parametrize(
    ("program", "built_for"), [(AMD64, "amd64"), (ARM64, "arm64"), (AMD64[:-2] + b"\xff\x7f", "machine 32767")]
)
def test_a_program_says_what_it_is_built_for(
    tmp_path: Path, form: Callable[[bytes], bytes], program: bytes, built_for: str
) -> None:
    (tmp_path / "mediamtx").write_bytes(form(program))
    assert architecture_of(tmp_path / "mediamtx", "mediamtx") == built_for


def test_the_python_that_runs_this_says_what_it_is_built_for() -> None:
    ours = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "")
    assert architecture_of(Path(sys.executable).resolve(), "mediamtx") == ours


@given(st.binary(max_size=40), st.sampled_from([b"", AMD64[:18], b"\x1f\x8b", b"\x7fELF"]))
def test_a_file_that_is_anything_at_all_says_nothing_false(tmp_path_factory: Any, rest: bytes, begins: bytes) -> None:
    file = tmp_path_factory.mktemp("artefact") / "mediamtx"
    file.write_bytes(begins + rest)
    said = architecture_of(file, "mediamtx")
    assert said == "" or (begins + rest).startswith(b"\x7fELF")


@MERGE_REQUEST
@pytest.mark.parametrize("form", [bytes, as_release])
def test_the_program_of_another_architecture_is_refused_by_name(tmp_path: Path, form: Callable[[bytes], bytes]) -> None:
    content = form(AMD64)
    (tmp_path / "relay").write_bytes(content)
    both = hashlib.sha256(content).hexdigest()
    wanted = MediamtxArtefact(version="1.20.1", source="file:relay", sha256={"amd64": both, "arm64": both})
    environment = {"PROVISIONER_ARTEFACTS": str(tmp_path)}
    assert fetch(wanted, "amd64", environment) == tmp_path / "relay"
    with pytest.raises(HostError, match="relay is built for amd64, and the inventory has its checksum for arm64"):
        fetch(wanted, "arm64", environment)
    error = refusal_here(wanted, "arm64", environment)
    assert error is not None
    assert "mediamtx.sha256.arm64" in str(error.hint)


def test_each_architecture_has_a_local_file_of_its_own(tmp_path: Path) -> None:
    programs = {"amd64": AMD64, "arm64": ARM64}
    for arch, content in programs.items():
        (tmp_path / f"mediamtx-1.20.1-{arch}").write_bytes(content)
    sums = {arch: hashlib.sha256(content).hexdigest() for arch, content in programs.items()}
    wanted = MediamtxArtefact.model_validate(
        {"version": "1.20.1", "source": "file:mediamtx-{version}-{arch}", "sha256": sums}
    )
    for arch, content in programs.items():
        assert fetch(wanted, arch, {"PROVISIONER_ARTEFACTS": str(tmp_path)}).read_bytes() == content


def test_a_file_is_read_once_for_all_and_anew_once_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []

    def digest_of(stream: Any) -> str:
        reads.append(hashlib.sha256(stream.read()).hexdigest())
        return reads[-1]

    monkeypatch.setattr("provisioner.hosts.artefact._digest_of", digest_of)
    (tmp_path / "relay").write_bytes(AMD64)
    both = hashlib.sha256(AMD64).hexdigest()
    wanted = MediamtxArtefact(version="1.20.1", source="file:relay", sha256={"amd64": both, "arm64": both})
    environment = {"PROVISIONER_ARTEFACTS": str(tmp_path)}
    for _ in range(20):
        fetch(wanted, "amd64", environment)
    assert reads == [both]
    times = (tmp_path / "relay").stat()
    (tmp_path / "relay").write_bytes(AMD64[:-1] + b"y")
    os.utime(tmp_path / "relay", ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(HostError, match="checksum"):
        fetch(wanted, "amd64", environment)
    assert len(reads) == 2, "same size, same time of change, another content"


def test_a_relay_of_hardware_that_nobody_builds_for_is_refused_by_name() -> None:
    with pytest.raises(HostError, match="there is no MediaMTX for riscv64: relays are of amd64 or arm64"):
        fetch(artefact("file:relay"), "riscv64", {})


def test_a_redirect_to_a_host_that_may_be_asked_is_followed(mirror: Mirror) -> None:
    mirror.redirects["/old"] = mirror.address("/mediamtx-1.20.1-amd64", INSIDE)
    environment = mirror.environment(f"{HOST},{INSIDE}")
    assert fetch(artefact(mirror.address("/old")), "amd64", environment).read_bytes() == PROGRAM


@MERGE_REQUEST
def test_an_address_without_tls_is_no_source() -> None:
    with pytest.raises(ValidationError):
        artefact("http://mirror.example.com/mediamtx")


@MERGE_REQUEST
def test_a_host_inside_is_not_asked_unless_this_machine_names_it(mirror: Mirror) -> None:
    said = refused(mirror.address(host=INSIDE), mirror.environment())
    assert f"{INSIDE} has no public address, and is not named in PROVISIONER_ARTEFACT_MIRRORS" in said
    assert "127.0.0.1" not in said
    assert mirror.asked == []


@MERGE_REQUEST
@pytest.mark.parametrize(
    "location",
    [
        *("https://inside.example.com:{port}/mediamtx-1.20.1-amd64", "https://127.0.0.1:{port}/mediamtx-1.20.1-amd64"),
        *("https://[::1]:{port}/mediamtx-1.20.1-amd64", "https://2130706433:{port}/mediamtx-1.20.1-amd64"),
        "https://169.254.169.254/latest/meta-data/",
        "https://user:word@mirror.example.com:{port}/mediamtx-1.20.1-amd64",
        *("http://mirror.example.com:{port}/mediamtx-1.20.1-amd64", "file:///etc/passwd"),
        "//inside.example.com:{port}/mediamtx-1.20.1-amd64",
    ],
)
def test_a_redirect_leads_nowhere_inside(mirror: Mirror, location: str) -> None:
    mirror.redirects["/old"] = location.format(port=mirror.port)
    refused(mirror.address("/old"), mirror.environment(), DIGEST)
    assert [path for path, _ in mirror.asked] == ["/old"]


@MERGE_REQUEST
def test_redirects_come_to_an_end(mirror: Mirror) -> None:
    mirror.redirects["/round"] = mirror.address("/round")
    assert "more than 5 redirects" in refused(mirror.address("/round"), mirror.environment())


@MERGE_REQUEST
def test_the_checked_address_is_the_one_that_is_connected_to(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    connected: list[str] = []

    def rebinds(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        looked_up.append(host)
        address = "93.184.216.34" if looked_up.count(host) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        connected.append(address[0])
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", rebinds)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    refused(mirror.address(host="rebinds.example.com"), mirror.environment())
    assert looked_up == ["rebinds.example.com"]
    assert set(connected) == {"93.184.216.34"}


@MERGE_REQUEST
@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "224.0.0.1"),
        *("::", "::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"),
        *("fe80::1%lo", "0.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "", "no address"),
    ],
)
def test_what_is_not_public_is_known(address: str) -> None:
    assert not is_public(address)


def test_what_is_public_is_known() -> None:
    assert all(map(is_public, ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"]))


@MERGE_REQUEST
def test_a_certificate_of_another_host_is_refused(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *a, **o: resolve("127.0.0.1", *a, **o))
    said = refused(mirror.address(host="another.example.com"), mirror.environment("another.example.com"))
    assert "SSLError" in said
    assert mirror.asked == []


@MERGE_REQUEST
def test_a_login_of_netrc_is_for_no_host_of_an_inventory(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    (mirror.home / ".netrc").write_text(f"machine {HOST} login canary-user password canary-word\n", encoding="utf-8")
    (mirror.home / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(mirror.home))
    fetch(artefact(mirror.address()), "amd64", mirror.environment())
    ((_, headers),) = mirror.asked
    assert "Authorization" not in headers


@MERGE_REQUEST
def test_over_a_proxy_only_hosts_that_are_known_are_asked(mirror: Mirror) -> None:
    over = {"HTTPS_PROXY": "http://127.0.0.1:9"}  # nobody is there: enough to see who would have been asked
    unknown = refused(mirror.address(host=INSIDE), mirror.environment() | over)
    assert "over a proxy only hosts named in PROVISIONER_ARTEFACT_MIRRORS are asked" in unknown
    assert "ProxyError" in refused(mirror.address(), mirror.environment() | over)
    assert fetch(artefact(mirror.address()), "amd64", mirror.environment() | over | {"NO_PROXY": HOST})


@MERGE_REQUEST
def test_a_download_without_end_is_broken_off_and_not_kept(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_MOST_BYTES", 2**20)
    mirror.content = bytes(2**21)
    assert "it has more than 1 MiB" in refused(mirror.address(), mirror.environment())
    assert [path for path in (mirror.home / "cache").rglob("*") if path.is_file()] == []


@MERGE_REQUEST
@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_a_mirror_that_says_a_byte_now_and_then_holds_nothing_up(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(download, "_MOST_S", 1)
    mirror.drips = said
    began = time.monotonic()
    assert "it takes more than 1 s" in refused(mirror.address(), mirror.environment())
    assert time.monotonic() - began < 20.0


@LOCAL_USER
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cache_of_another_user_is_not_used(mirror: Mirror) -> None:
    folder = fetch(artefact(mirror.address()), "amd64", mirror.environment()).parent
    os.chown(folder, 12345, 12345)
    assert "somebody else's" in refused(mirror.address(), mirror.environment(), DIGEST)


# --- local files ------------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of artefacts of this machine, with the program; a secret file lies beside it."""
    (tmp_path / "artefacts").mkdir()
    (tmp_path / "artefacts/relay").write_bytes(PROGRAM)
    (tmp_path / "artefacts/another").write_bytes(b"canary-3vYw8mNp")
    (tmp_path / "secret").write_bytes(b"canary-3vYw8mNp")
    return tmp_path / "artefacts"


@pytest.mark.parametrize("relative", [True, False])
def test_a_file_in_a_folder_of_artefacts_is_taken(folder: Path, *, relative: bool) -> None:
    named = "file:relay" if relative else f"file:{folder}/relay"
    environment = {"PROVISIONER_ARTEFACTS": f"/nowhere:{folder}"}
    assert fetch(artefact(named), "amd64", environment) == folder / "relay"


@MERGE_REQUEST
@pytest.mark.parametrize(
    "named", ["{outside}/secret", "../secret", "link", "folder/secret", "{outside}/nothing", "/proc/1/environ"]
)
def test_a_file_elsewhere_is_not_so_much_as_looked_at(folder: Path, named: str) -> None:
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "folder").symlink_to(folder.parent)
    source = "file:" + named.format(outside=folder.parent)
    said = refused(source, {"PROVISIONER_ARTEFACTS": str(folder)})
    assert "is in no folder of PROVISIONER_ARTEFACTS" in said
    assert "is in no folder of PROVISIONER_ARTEFACTS" in refused(source, {})


@MERGE_REQUEST
def test_the_checksum_of_a_file_that_does_not_fit_is_never_said(folder: Path) -> None:
    said = refused("file:another", {"PROVISIONER_ARTEFACTS": str(folder)})
    assert "is not the one in the inventory" in said
    assert hashlib.sha256(b"canary-3vYw8mNp").hexdigest() not in said


@MERGE_REQUEST
def test_a_pipe_in_the_folder_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "is not there" in refused("file:pipe", {"PROVISIONER_ARTEFACTS": str(folder)})


# --- what the host unpacks --------------------------------------------------------------------------
def archive_of(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size, entry.type = len(content), kind
            entry.linkname = "/etc/shadow"
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def unpacked(tmp_path: Path, packed: bytes) -> bytes:
    (tmp_path / "archive").write_bytes(packed)
    return preflight.program_in(tmp_path / "archive")


def test_the_program_is_found_among_other_files(tmp_path: Path) -> None:
    assert unpacked(tmp_path, archive_of(("LICENSE", b"x" * 5000), ("mediamtx", PROGRAM))) == PROGRAM


@MERGE_REQUEST
@pytest.mark.parametrize("name", ["mediamtx", "before"])
def test_an_archive_of_endless_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(preflight, "MOST_UNPACKED", 2**20)
    with pytest.raises(Failed, match="unfolds to more than 1 MiB"):
        unpacked(tmp_path, archive_of((name, bytes(2**22)), ("mediamtx", PROGRAM)))


@MERGE_REQUEST
def test_a_header_that_unfolds_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "MOST_UNPACKED", 2**20)
    with pytest.raises(Failed):
        unpacked(tmp_path, archive_of(("mediamtx", bytes(2**22)), kind=tarfile.XHDTYPE))


@MERGE_REQUEST
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_member_that_is_no_file_is_no_program(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(Failed, match="holds no mediamtx"):
        unpacked(tmp_path, archive_of(("mediamtx", b""), kind=kind))


@MERGE_REQUEST
@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"nothing"), b"\x1f\x8bnothing", gzip.compress(bytes(10240))[:-9]],
    ids=["no tar", "no gzip", "cut"],
)
def test_what_is_no_archive_is_refused_in_a_sentence(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(Failed, match="archive"):
        unpacked(tmp_path, packed)


@pytest.mark.parametrize(("most", "sizes"), [(100, [1, 10, 0, 89, 5]), (100, [-1]), (100, [30, -1])])
def test_an_archive_is_read_as_much_as_asked_for_and_up_to_its_bound(
    monkeypatch: pytest.MonkeyPatch, most: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(preflight, "MOST_UNPACKED", most)
    content = bytes(range(100))
    for extra in (b"", b"x"):
        bounded, read = preflight._Bounded(gzip.open(io.BytesIO(gzip.compress(content + extra)))), b""  # noqa: SLF001, SIM115
        with pytest.raises(Failed, match="unfolds to more") if extra else nullcontext():
            for size in sizes:
                part = bounded.read(size)
                assert size < 0 or len(part) <= size
                read += part
        assert extra or read == content
