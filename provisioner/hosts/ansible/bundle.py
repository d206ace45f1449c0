"""One file per call: the on-host program, the request, and further files."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

from provisioner.desired.render.templates import HOST_PACKAGE, Templates
from provisioner.hosts.runner import HostCall


def write_bundle(path: Path, call: HostCall, templates: Templates) -> None:
    """Write a call's bundle with mode 0600."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as bundle:
        for name, source in templates.for_side(call.spec.side).host_sources.items():
            _add(bundle, f"{HOST_PACKAGE}/{name}", source)
        _add(bundle, "request.json", json.dumps(call.request).encode())
        for name, content in call.files.items():
            _add(bundle, f"files/{name}", content)
        if call.artefact is not None:
            bundle.add(call.artefact, "files/artefact", recursive=False)


def _add(bundle: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o600
    bundle.addfile(entry, io.BytesIO(content))
