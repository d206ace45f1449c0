"""Entry of the host program: proves its identity, accepts sealed bundles.

The module imports no other of ours. The installed program uses it for `prove` and `call`, so a narrow sudo rule needs
only these two words. A `call` may stay and serve one call after another, until its input ends. At a first contact the
controller sends the module to the host's Python, as no key exists yet for a seal; it first asks for the owner.
"""

from __future__ import annotations

import errno
import hmac
import os
import sys
import time

TYPE_CHECKING = False  # as typing's, which takes longer to import than a proof takes
if TYPE_CHECKING:
    from typing import IO, Any

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
STAY = b"PROVISIONER-STAY "
PROGRAM = "PROVISIONER-PROGRAM "
THERE, MISSING = "there", "missing"
_RUN = "/run"
_BUNDLES, _PROGRAMS = f"{_OURS}-bundle-", f"{_OURS}-program-"
_LONGEST_LINE = 512
_LONGEST_MARK = 4096
_PACKAGE = "provisioner_host"
_LONGEST_NAME = 64
_DIGEST = 32
_NOT_SEALED = "the bundle is not sealed under the key that was left here: nothing of it was read\n"
_BLOCK = 1 << 20
_HOUR_S = 3600
_KIB = 1024
_WORDS, _FRAME_WORDS = 2, 4
# Without a call for longer than a change waits for its confirmation, a process that stays ends.
IDLE_S = 960.0
_LARGEST = 1 << 29
_CLOSED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


def prove() -> int:
    """Answer a challenge from standard input; return the exit code.

    The proof is an HMAC under the host's key. The owner is printed before it, for callers that do not know the key.
    """
    return _answer_to(sys.stdin.buffer.readline(_LONGEST_LINE).strip())


def _answer_to(challenge: bytes) -> int:
    tell_owner()
    key = _identity()
    if not key or not challenge:
        sys.stderr.write("this host holds no key that could prove which host it is\n")
        return 1
    sys.stdout.write("\n" + PROOF + hmac.digest(key, b"prove\0" + challenge, "sha256").hex() + "\n")
    return 0


def tell_owner() -> None:
    """Print the owner mark, or that there is none."""
    owner = _mark_of(OWNER_FILE, IDENTITY, MANIFEST) or _other_shape() or NOTHING
    sys.stdout.write("\n" + OWNER + owner + "\n")


def _mark_of(owner_file: str, *others: str) -> str:
    if not any(os.path.lexists(path) for path in (owner_file, *others)):
        return ""
    return " ".join(_first_bytes(owner_file, _LONGEST_MARK).decode("ascii", "replace").split()) or "unmarked"


def _other_shape() -> str:
    """Return the owner in the other shape (alone or shared), or empty.

    The two exclude each other: the rules of a host with one inventory admit no other.
    """
    if SIDE:
        shape, names = ALONE, [_NAME]
    else:
        shape, names = SHARED, sorted(name for name in os.listdir(_LIB) if name.startswith(f"{_NAME}."))
    marks = (_mark_of(f"{_LIB}/{n}/owner.json", f"{_LIB}/{n}/manifest.json", f"/etc/{n}/keys/identity") for n in names)
    return next((f"{shape} {mark}" for mark in marks if mark), "")


def call() -> int:
    """Serve a bundle sealed under the host's key, or stay."""
    line = sys.stdin.buffer.readline(_LONGEST_LINE)
    if line.startswith(STAY):
        return _stay(line.removeprefix(STAY).split(), IDLE_S)
    key = _identity()
    if not key:
        sys.stderr.write("this host holds no key: it takes no bundle\n")
        return 1
    return 0 if receive(sys.stdin.buffer, key, line) else 1


def _stay(words: list[bytes], idle_s: float) -> int:
    """Prove the identity, then serve one program's calls until the end.

    Each call has a process of its own: it leaves no state to the next one, and ends even if the connection is cut. A
    call without an answer ends this process too, as it ends one that serves a single call.

    Args:
        words: the challenge, and the program's digest.
        idle_s: the longest time without a call.
    """
    import signal  # noqa: PLC0415 (who proves only which host this is does without it)

    if len(words) != _WORDS or not _is_digest(words[1].decode("ascii", "replace")):
        sys.stderr.write("a call that stays names a challenge and a program\n")
        return 1
    challenge, digest = words
    os.umask(0o077)
    if _answer_to(challenge):
        return 1
    folder = f"{_RUN}/{_PROGRAMS}{digest.decode()}"
    sys.stdout.write(PROGRAM + (THERE if _is_used(folder) else MISSING) + "\n")
    sys.stdout.flush()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
    # Unbuffered, as the child reads on from here. Programs that a call runs get neither this input nor the next call.
    with os.fdopen(os.dup(0), "rb", buffering=0) as stream:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        while True:
            signal.setitimer(signal.ITIMER_REAL, idle_s)
            line = stream.readline(_LONGEST_LINE)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if not line:
                return 0
            frame = _frame(line, digest)
            if frame is None:
                sys.stderr.write(_NOT_SEALED)
                return 1
            seal, size, operation = frame
            if _is_used(folder):
                _use(folder).load(operation)
            if not os.fork():
                os.setsid()
                return 0 if receive(stream, _identity(), seal, size, folder) else 1
            if code := os.waitstatus_to_exitcode(os.wait()[1]):
                return code if code > 0 else 128 - code


def receive(
    stream: IO[bytes], key: bytes | None = None, seal: bytes = b"", size: int | None = None, program_folder: str = ""
) -> bool:
    """Unpack a bundle on tmpfs for root, serve and delete it.

    Bundles of killed processes are deleted by the next call. The program has no secret, so it stays there under its
    digest with its bytecode, which takes longer to make than most requests. Other versions are deleted an hour after
    their last use.

    Args:
        stream: the bundle.
        key: the key of its seal; `None` at a first contact.
        seal: the line before it, or in a process that stays its checked seal.
        size: the bundle's bytes; `None` if it ends with the stream.
        program_folder: the one program of a process that stays.
    """
    os.umask(0o077)
    counted = _Counted(stream, size)
    try:
        return _serve_bundle(counted, key, seal, program_folder)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EEXIST):
            sys.stderr.write("the bundle has something in it that none has: nothing of it was done\n")
            return False
        if error.errno not in _CLOSED:
            raise
        # All of it is read, up to a bound, so that what is needed can be said; the sentence is the last line.
        while counted.size < _LARGEST and counted.read(_BLOCK):
            pass
        sys.stderr.write(f"{_disk_full_text(error, counted.size)}\n")
        return False


def _serve_bundle(stream: _Counted, key: bytes | None, seal: bytes, program_folder: str) -> bool:
    import shutil  # noqa: PLC0415 (who proves only which host this is does without it)
    import tempfile  # noqa: PLC0415 (the same)

    for name in os.listdir(_RUN):
        if name.startswith(_BUNDLES) and not os.path.exists("/proc/" + name[len(_BUNDLES) :].partition("-")[0]):
            shutil.rmtree(os.path.join(_RUN, name), ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"{_BUNDLES}{os.getpid()}-", dir=_RUN)
    try:
        with tempfile.TemporaryFile(dir=folder) as bundle:
            if key is None:
                _store(stream, bundle)
            elif not _is_stored_sealed(stream, key, seal if program_folder else _seal_in(seal, key), bundle):
                sys.stderr.write(_NOT_SEALED)
                return False
            bundle.seek(0)
            program = _unpack(bundle, folder)
        used = program_folder if program_folder and not program else _program_folder(program)
        if used != (program_folder or used) or not _is_used(used):
            sys.stderr.write("this host lacks the program of the call: nothing of it was done\n")
            return False
        _use(used).serve(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _use(folder: str) -> Any:
    """Return the `main` of a program, which replaces the installed one.

    What is installed here may be of another version; doors of all versions call its `serve` and `load`.
    """
    package = sys.modules.get(_PACKAGE)
    if package is None or list(package.__path__) != [f"{folder}/{_PACKAGE}"]:
        sys.path.insert(0, folder)
        sys.path_importer_cache.pop(folder, None)
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]
    from provisioner_host import main  # noqa: PLC0415 (it comes with the bundle)

    return main


def _is_used(folder: str) -> bool:
    """Mark a program as used now; return whether it is there."""
    try:
        os.utime(folder)
    except OSError:
        return os.path.isdir(folder)
    return True


class _Counted:
    """A byte stream that counts the bytes read, and ends after `longest`."""

    def __init__(self, stream: IO[bytes], longest: int | None) -> None:
        self._stream, self._longest, self.size = stream, longest, 0

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        block = self._stream.read(size if self._longest is None else min(size, self._longest - self.size))
        self.size += len(block)
        return block


def _disk_full_text(error: OSError, size: int) -> str:
    """Explain why /run takes no bundle, with free and needed space."""
    disk = os.statvfs(_RUN)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return f"{_RUN} takes no bundle: {error.strerror}: see that it is a tmpfs that root can write to"
    if disk.f_files and not disk.f_favail:
        return f"{_RUN} has no inode left for a call: remove files there (df -i {_RUN})"
    free, needed = disk.f_bavail * disk.f_frsize // _KIB, 2 * size // _KIB + 1
    return f"{_RUN} is full: {free} KiB free, {needed} KiB needed for a call: make room there (du -xsh {_RUN}/*)"


def _store(stream: _Counted, bundle: IO[bytes], mac: hmac.HMAC | None = None) -> None:
    while block := stream.read(_BLOCK):
        if mac is not None:
            mac.update(block)
        bundle.write(block)


def _is_stored_sealed(stream: _Counted, key: bytes, seal: bytes, bundle: IO[bytes]) -> bool:
    mac = hmac.new(key, b"call\0", "sha256")
    if seal:
        _store(stream, bundle, mac)
    return hmac.compare_digest(seal, mac.hexdigest().encode())


def _seal_in(line: bytes, key: bytes) -> bytes:
    """Return the seal in a line before a bundle; empty if invalid.

    The seal has its own proof, so a caller without the key cannot fill the host's memory.
    """
    parts = line.removeprefix(SEAL).split()
    if len(parts) != _WORDS or not hmac.compare_digest(parts[1], _hex_mac(key, b"seal\0" + parts[0])):
        return b""
    return parts[0]


def _frame(line: bytes, digest: bytes) -> tuple[bytes, int, str] | None:
    """Return seal, size and operation of a call's line; `None` if invalid.

    Its proof covers all of them and the program that is to serve the call. The key is read anew for each line.
    """
    parts, key = line.removeprefix(SEAL).split(), _identity()
    if len(parts) != _FRAME_WORDS or not key:
        return None
    seal, proof, size, operation = parts
    if not hmac.compare_digest(proof, _hex_mac(key, b"frame\0" + b" ".join((seal, size, operation, digest)))):
        return None
    return seal, int(size), operation.decode("ascii")


def _hex_mac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256").hex().encode()


def _unpack(bundle: IO[bytes], folder: str) -> list[tuple[str, bytes]]:
    """Unpack a bundle into the folder; return the program's modules.

    Only regular files with allowed names are unpacked.

    Raises:
        OSError: the bundle has other content.
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
    if (path, name) == ("", "request.json"):
        return True
    stem, dot, ending = name.partition(".")
    if path == _PACKAGE:
        return ending == "py" and _is_word(stem.replace("_", "a"))
    return path == "files" and not dot and _is_word(stem.replace("-", "a"))


def _is_digest(text: str) -> bool:
    return len(text) == _DIGEST and _is_word(text)


def _is_word(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isascii() and text.isalnum()


def _program_folder(program: list[tuple[str, bytes]]) -> str:
    """Return the folder of this program, created if missing."""
    import hashlib  # noqa: PLC0415 (the same)
    import shutil  # noqa: PLC0415 (the same)
    import tempfile  # noqa: PLC0415 (the same)

    digest = hashlib.sha256(repr(sorted(program)).encode()).hexdigest()[:_DIGEST]
    folder = f"{_RUN}/{_PROGRAMS}{digest}"
    if os.path.isdir(folder):
        return folder
    for name in os.listdir(_RUN):
        old = os.path.join(_RUN, name)
        try:
            is_old = name.startswith(_PROGRAMS) and os.stat(old).st_mtime < time.time() - _HOUR_S
        except FileNotFoundError:  # another call has just renamed or deleted it
            continue
        if is_old:
            shutil.rmtree(old, ignore_errors=True)
    new_folder = tempfile.mkdtemp(prefix=_PROGRAMS, dir=_RUN)
    try:
        os.mkdir(new_folder + "/provisioner_host")
        for name, source in program:
            with open(f"{new_folder}/provisioner_host/{name}", "wb") as file:
                file.write(source)
        os.rename(new_folder, folder)
    except OSError:
        shutil.rmtree(new_folder)
        if not os.path.isdir(folder):  # another call was quicker, or there is no room
            raise
    return folder


def _identity() -> bytes:
    return _first_bytes(IDENTITY, _LONGEST_LINE)


def _first_bytes(path: str, longest: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(longest).strip()
    except OSError:
        return b""
