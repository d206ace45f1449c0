"""The door of the host: it proves which host this is, and takes the bundles of the controller that left the key here.

It stands alone, imports nothing of the program, and is read twice: from the installed program, whose two words
`prove` and `call` are all that a narrow sudo rule need allow; and, at a first contact, by the controller, which sends
it to the host's Python where nothing is installed yet and no bundle can be sealed: first to ask whose the host is.
"""

from __future__ import annotations

import errno
import hmac
import os
import sys
import time

TYPE_CHECKING = False  # as typing's, which takes longer to import than a proof takes
if TYPE_CHECKING:
    from typing import IO

# As in side.py.
SIDE = ""

_NAME = "provisioner"
_OURS = f"{_NAME}.{SIDE}" if SIDE else _NAME
_LIB = "/var/lib"
IDENTITY = f"/etc/{_OURS}/keys/identity"
OWNER_FILE = f"{_LIB}/{_OURS}/owner.json"
MANIFEST = f"{_LIB}/{_OURS}/manifest.json"
PROOF = "PROVISIONER-PROOF "
OWNER = "PROVISIONER-OWNER "
NOTHING, ALONE, SHARED = "nothing", "alone", "shared"
SEAL = b"PROVISIONER-CALL "
_RUN = "/run"
_BUNDLES, _PROGRAMS = f"{_OURS}-bundle-", f"{_OURS}-program-"
_LONGEST_LINE = 512
_LONGEST_MARK = 4096
_PACKAGE = "provisioner_host"
_LONGEST_NAME = 64
_BLOCK = 1 << 20
_HOUR_S = 3600
_KIB = 1024
_WORDS = 2
_LARGEST = 1 << 29
_CLOSED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


def prove() -> int:
    """Answer a challenge, a line of standard input, with its HMAC under the key that was left here: the exit code.

    Whose the host is stands before it, for who does not know the key.
    """
    tell_owner()
    challenge = sys.stdin.buffer.readline(_LONGEST_LINE).strip()
    key = _identity()
    if not key or not challenge:
        sys.stderr.write("this host holds no key that could prove which host it is\n")
        return 1
    sys.stdout.write("\n" + PROOF + hmac.digest(key, b"prove\0" + challenge, "sha256").hex() + "\n")
    return 0


def tell_owner() -> None:
    """Say whose this host is, and read or change nothing else: the mark as it lies there, or that there is none."""
    owner = _mark_of(OWNER_FILE, IDENTITY, MANIFEST) or _other_shape() or NOTHING
    sys.stdout.write("\n" + OWNER + owner + "\n")


def _mark_of(owner_file: str, *others: str) -> str:
    """A mark as it lies there, on one line; empty where neither it nor anything else of its owner's does."""
    if not any(os.path.lexists(path) for path in (owner_file, *others)):
        return ""
    return " ".join(_start_of(owner_file, _LONGEST_MARK).decode("ascii", "replace").split()) or "unmarked"


def _other_shape() -> str:
    """Whose this host is in the other of two ways: one inventory's alone, or shared by several; empty where nobody's.

    The two never meet: the rules of one who has a host for himself let nobody else in.
    """
    if SIDE:
        word, names = ALONE, [_NAME]
    else:
        word, names = SHARED, sorted(name for name in os.listdir(_LIB) if name.startswith(f"{_NAME}."))
    marks = (_mark_of(f"{_LIB}/{n}/owner.json", f"{_LIB}/{n}/manifest.json", f"/etc/{n}/keys/identity") for n in names)
    return next((f"{word} {mark}" for mark in marks if mark), "")


def call() -> int:
    """Take a bundle that is sealed under the key that was left here, and do what it asks: the exit code."""
    key = _identity()
    if not key:
        sys.stderr.write("this host holds no key: it takes no bundle\n")
        return 1
    return 0 if receive(sys.stdin.buffer, key) else 1


def receive(stream: IO[bytes], key: bytes | None = None) -> bool:
    """Unpack a bundle on tmpfs, root only, and serve it; it is gone before the answer is read.

    What a process that was killed left there goes with the next one. The program holds no secret: it stays there
    under its own digest with its bytecode, which would take longer to make than most requests take; that of another
    version goes after an hour.

    Args:
        stream: the bundle.
        key: what it has to be sealed under, in a line before it; None at a first contact.
    """
    os.umask(0o077)
    counted = _Counted(stream)
    try:
        return _received(counted, key)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EEXIST):
            sys.stderr.write("the bundle has something in it that none has: nothing of it was done\n")
            return False
        if error.errno not in _CLOSED:
            raise
        # All of it is read, up to a bound, so that what is needed can be said; the sentence is the last line.
        while counted.size < _LARGEST and counted.read(_BLOCK):
            pass
        sys.stderr.write(f"{_no_room(error, counted.size)}\n")
        return False


def _received(stream: _Counted, key: bytes | None) -> bool:
    import shutil  # noqa: PLC0415 (who proves only which host this is does without it)
    import tempfile  # noqa: PLC0415 (the same)

    for name in os.listdir(_RUN):
        if name.startswith(_BUNDLES) and not os.path.exists("/proc/" + name[len(_BUNDLES) :].partition("-")[0]):
            shutil.rmtree(os.path.join(_RUN, name), ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"{_BUNDLES}{os.getpid()}-", dir=_RUN)
    try:
        with tempfile.TemporaryFile(dir=folder) as bundle:
            if not (_is_stored_sealed(stream, key, bundle) if key else _is_stored(stream, bundle)):
                sys.stderr.write("the bundle is not sealed under the key that was left here: nothing of it was read\n")
                return False
            bundle.seek(0)
            sys.path.insert(0, _place(_unpack(bundle, folder)))
        # What is installed here may be of another version: the bundle's own program serves it.
        for name in [name for name in sys.modules if name.partition(".")[0] == "provisioner_host"]:
            del sys.modules[name]
        from provisioner_host.main import serve  # noqa: PLC0415 (it comes with the bundle)

        serve(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


class _Counted:
    """A stream of bytes, and how many have been read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.size = stream, 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        block = self._stream.read(size)
        self.size += len(block)
        return block

    def readline(self, size: int = -1) -> bytes:
        """The next line."""
        return self._stream.readline(size)


def _no_room(error: OSError, size: int) -> str:
    """What a full, read-only or otherwise closed /run says: how much is free, how much a call takes, what to do."""
    disk = os.statvfs(_RUN)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return f"{_RUN} takes no bundle: {error.strerror}: see that it is a tmpfs that root can write to"
    if disk.f_files and not disk.f_favail:
        return f"{_RUN} has no inode left for a call: remove files there (df -i {_RUN})"
    free, needed = disk.f_bavail * disk.f_frsize // _KIB, 2 * size // _KIB + 1
    return f"{_RUN} is full: {free} KiB free, {needed} KiB needed for a call: make room there (du -xsh {_RUN}/*)"


def _is_stored(stream: _Counted, bundle: IO[bytes]) -> bool:
    """Store a bundle as it comes: a first contact has no seal."""
    while block := stream.read(_BLOCK):
        bundle.write(block)
    return True


def _is_stored_sealed(stream: _Counted, key: bytes, bundle: IO[bytes]) -> bool:
    """Store a bundle whose seal comes in a line before it: whether it is the key's.

    The line proves itself, so that nothing is stored for who holds no key: he would fill the host's memory.
    """
    words = stream.readline(_LONGEST_LINE).removeprefix(SEAL).split()
    if len(words) != _WORDS:
        return False
    seal, proof = words
    if not hmac.compare_digest(proof, hmac.digest(key, b"seal\0" + seal, "sha256").hex().encode()):
        return False
    mac = hmac.new(key, b"call\0", "sha256")
    while block := stream.read(_BLOCK):
        mac.update(block)
        bundle.write(block)
    return hmac.compare_digest(seal, mac.hexdigest().encode())


def _unpack(bundle: IO[bytes], folder: str) -> list[tuple[str, bytes]]:
    """Unpack what is asked into the folder: the program's modules, name and source.

    Nothing but whole files by the names that bundles have gets there, whatever this host's Python would unpack.

    Raises:
        OSError: something else is in it.
    """
    import tarfile  # noqa: PLC0415 (the same)

    program = []
    os.mkdir(folder + "/files")
    with tarfile.open(fileobj=bundle, mode="r|") as archive:
        for member in archive:
            path, _, name = member.name.rpartition("/")
            is_one = member.type == tarfile.REGTYPE and member.size <= _LARGEST and _is_name(path, name)
            source = archive.extractfile(member) if is_one else None
            if source is None:
                raise OSError(errno.EINVAL, "no part of a bundle")
            if path == _PACKAGE:
                program.append((name, source.read()))
                continue
            descriptor = os.open(os.path.join(folder, path, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                while block := source.read(_BLOCK):
                    file.write(block)
    return program


def _is_name(path: str, name: str) -> bool:
    """Whether a bundle may hold a file: the request, a module of the program, or one beside the request."""
    if (path, name) == ("", "request.json"):
        return True
    stem, dot, ending = name.partition(".")
    if path == _PACKAGE:
        return ending == "py" and _is_word(stem.replace("_", "a"))
    return path == "files" and not dot and _is_word(stem.replace("-", "a"))


def _is_word(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isascii() and text.isalnum()


def _place(program: list[tuple[str, bytes]]) -> str:
    """Find the folder of this very program, made where it is not there yet."""
    import hashlib  # noqa: PLC0415 (the same)
    import shutil  # noqa: PLC0415 (the same)
    import tempfile  # noqa: PLC0415 (the same)

    digest = hashlib.sha256(repr(sorted(program)).encode()).hexdigest()[:32]
    place = f"{_RUN}/{_PROGRAMS}{digest}"
    if os.path.isdir(place):
        return place
    for name in os.listdir(_RUN):
        other = os.path.join(_RUN, name)
        if name.startswith(_PROGRAMS) and os.stat(other).st_mtime < time.time() - _HOUR_S:
            shutil.rmtree(other, ignore_errors=True)
    beside = tempfile.mkdtemp(prefix=_PROGRAMS, dir=_RUN)
    try:
        os.mkdir(beside + "/provisioner_host")
        for name, source in program:
            with open(f"{beside}/provisioner_host/{name}", "wb") as file:
                file.write(source)
        os.rename(beside, place)
    except OSError:
        shutil.rmtree(beside)
        if not os.path.isdir(place):  # another call was quicker, or there is no room
            raise
    return place


def _identity() -> bytes:
    return _start_of(IDENTITY, _LONGEST_LINE)


def _start_of(path: str, longest: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(longest).strip()
    except OSError:
        return b""
