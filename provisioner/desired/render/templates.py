"""Loading of templates, playbooks and the on-host program from disk."""

import hashlib
import io
import sys
import zipfile
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from provisioner.desired.names import HostNames

_PACKAGE = Path(__file__).resolve().parents[2]
HOST_PACKAGE = "provisioner_host"
# Types, which hosts do not import.
_NOT_SHIPPED = "wire.py"
SIDED: Final = ("paths.py", "bundle.py")  #: Modules with the program's side.
_NO_SIDE: Final = b'\nSIDE = ""\n'
_EPOCH = (1980, 1, 1, 0, 0, 0)
# A zip has no bytecode. If a bundle brought this same program since the boot, its copy has some.
_MAIN = f"""
import os, sys
copy = "/run/OURS-program-DIGEST"
sys.path.insert(0, copy)
def command():
    if sys.argv[1:] in (["prove"], ["call"]):
        from {HOST_PACKAGE} import bundle
        return getattr(bundle, sys.argv[1])
    from {HOST_PACKAGE}.installed import command
    return lambda: command(sys.argv[1:])
try:
    run = command()
except Exception:
    sys.path.remove(copy)
    for name in [name for name in sys.modules if name.partition(".")[0] == "{HOST_PACKAGE}"]:
        del sys.modules[name]
    run = command()
code = run()
sys.stdout.flush()
sys.stderr.flush()
# To take the interpreter down costs a fifth of a call; threads are waited for.
if "threading" in sys.modules and sys.modules["threading"].active_count() > 1:
    sys.exit(code)
os._exit(code)
""".lstrip()


def data_folder(name: str) -> Path:
    """Return a data folder of the wheel or checkout, or raise `FileNotFoundError`."""
    for parent in (_PACKAGE / "_data", _PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise FileNotFoundError(f"the installation lacks its {name} folder: install provisioner again")


def host_module(path: str) -> ModuleType:
    """Import an on-host module by its path without `.py`, or raise `FileNotFoundError`."""
    name, file = f"{HOST_PACKAGE}.{path.replace('/', '.')}", data_folder("playbooks") / HOST_PACKAGE / f"{path}.py"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise FileNotFoundError(f"the installation lacks {file.name} of its playbooks: install provisioner again")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return sys.modules.setdefault(name, module)


@dataclass(frozen=True)
class Templates:
    """Texts for rendering, e.g. `nftables/provisioner.nft.j2`, and the on-host program's modules."""

    texts: dict[str, str]
    host_sources: dict[str, bytes]
    side: str = ""  #: The program's side of a shared centre.

    def for_side(self, side: str) -> "Templates":
        """Return these with a side's program, which differs in two lines."""
        if not side:
            return self
        if side not in self._of_sides:
            changed = {name: with_side(self.host_sources[name], side) for name in SIDED}
            self._of_sides[side] = replace(self, host_sources=self.host_sources | changed, side=side)
        return self._of_sides[side]

    @cached_property
    def _of_sides(self) -> "dict[str, Templates]":
        return {}

    @cached_property
    def digest(self) -> str:
        """Digest of templates and the on-host program, part of a plan's."""
        state = hashlib.sha256()
        named = {name: text.encode() for name, text in self.texts.items()} | self.host_sources
        for name in sorted(named):
            state.update(f"{name}\0{len(named[name])}\0".encode() + named[name])
        return "sha256:" + state.hexdigest()

    @cached_property
    def host_digest(self) -> str:
        """Digest of the on-host program, as a host computes it."""
        return hashlib.sha256(repr(sorted(self.host_sources.items())).encode()).hexdigest()[:32]

    @cached_property
    def host_program(self) -> bytes:
        """The on-host program as one executable file, always with the same bytes."""
        buffer = io.BytesIO()
        buffer.write(b"#!/usr/bin/python3 -IS\n")
        main = _MAIN.replace("DIGEST", self.host_digest).replace("OURS", HostNames(self.side).ours)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            _add_entry(archive, "__main__.py", main.encode())
            for name in sorted(self.host_sources):
                _add_entry(archive, f"{HOST_PACKAGE}/{name}", self.host_sources[name])
        return buffer.getvalue()


def with_side(source: bytes, side: str) -> bytes:
    """Write a side into a module's one `SIDE` line, or raise `ValueError`."""
    if source.count(_NO_SIDE) != 1:
        raise ValueError("a module of the on-host program has to say once that it is of no side")
    return source.replace(_NO_SIDE, f'\nSIDE = "{side}"\n'.encode())


def _add_entry(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


@cache
def load_templates() -> Templates:
    """Load all templates and the on-host program once per process.

    Otherwise a long command would pack the program repeatedly, and could mix it with a newer installation. A broken
    installation raises `FileNotFoundError`.
    """
    root = data_folder("mediamtx-templates")
    texts = {p.relative_to(root).as_posix(): p.read_text(encoding="utf-8") for p in sorted(root.rglob("*.j2"))}
    return Templates(texts, _host_sources(data_folder("playbooks") / HOST_PACKAGE))


def _host_sources(host: Path) -> dict[str, bytes]:
    # Shipped flat, so that the door of an older installation can unpack it; `provisioner_host` knows its folders.
    shipped = [
        p
        for p in sorted(host.rglob("*.py"))
        if p.name != _NOT_SHIPPED and (p.parent == host or p.name != "__init__.py")
    ]
    sources = {p.name: p.read_bytes() for p in shipped}
    if len(sources) != len(shipped):
        raise ValueError("two modules of the on-host program have one name: they are shipped flat")
    return sources
