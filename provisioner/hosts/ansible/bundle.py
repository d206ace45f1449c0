"""One file per call: the request and further files.

The on-host program follows if the host lacks it.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

from provisioner.desired.render.templates import HOST_PACKAGE, Templates
from provisioner.hosts.runner import HostCall


def write_bundle(path: Path, call: HostCall) -> None:
    """Write a call's bundle without the archive's end: a program may follow."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        with tarfile.open(fileobj=stream, mode="w") as bundle:
            _add(bundle, "request.json", json.dumps(call.request).encode())
            for name, content in call.files.items():
                _add(bundle, f"files/{name}", content)
            if call.artefact is not None:
                bundle.add(call.artefact, "files/artefact", recursive=False)
            end = bundle.offset
        stream.truncate(end)


def program_bundle(templates: Templates) -> bytes:
    """Return the on-host program, to follow a call's bundle."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as bundle:
        for name, source in templates.host_sources.items():
            _add(bundle, f"{HOST_PACKAGE}/{name}", source)
    return stream.getvalue()


def _add(bundle: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o600
    bundle.addfile(entry, io.BytesIO(content))
