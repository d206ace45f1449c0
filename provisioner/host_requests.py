"""The requests that more than one stage sends to a host. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from provisioner.desired.spec import HostSpec
from provisioner.diff import units_of
from provisioner.render import NFT_FILE, RenderedFile, program_path


def observe_request(spec: HostSpec, files: Iterable[RenderedFile]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Give the request that reads a host, and the contents that go with it."""
    files = list(files)
    request = {
        "operation": "observe",
        "digest_key": spec.digest_key.reveal(),
        "files": [file.path for file in files],
        "units": list(units_of(spec)),
        "program": program_path(spec.relay.artefact) if spec.relay else None,
    }
    rules = [file.content for file in files if file.path == NFT_FILE]
    return request, {"nft": rules[0]} if rules else {}
