"""One process that writes what every host should hold: `python -m tests.bench.rollout.wanted DIR OUT HOST…`.

For the sides that the product is compared with: the files, and `OUT/HOST.json` that lists them with their rights.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provisioner.cli.support.context import today
from provisioner.desired.render.host import MEDIAMTX_FILE, NFT_FILE, SENTINEL_PREFIX, RenderedFile
from provisioner.operations.pipeline.session import Session


def write(root: Path, out: Path, hosts: Sequence[str]) -> None:
    """Write every host's files and their list."""
    session = Session(root, os.environ, today())
    for host in hosts:
        folder = out / host
        folder.mkdir(parents=True)
        listed = [_put(folder, file) for file in session.files[host]]
        relay = next(file for file in session.files[host] if file.path == MEDIAMTX_FILE)
        document = {
            "files": [file for file in listed if file["path"] not in {NFT_FILE, MEDIAMTX_FILE}],
            "rules": next(file for file in listed if file["path"] == NFT_FILE),
            "relay": next(file for file in listed if file["path"] == MEDIAMTX_FILE) | _template(relay.content.decode()),
        }
        (out / f"{host}.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def _put(folder: Path, file: RenderedFile) -> dict[str, Any]:
    source = folder / file.path.rpartition("/")[2]
    source.write_bytes(file.content)
    rights = {"mode": f"0{file.mode:o}", "owner": file.owner, "group": file.group}
    return {"path": file.path, "source": str(source)} | rights


def _template(text: str) -> dict[str, Any]:
    """The relay's file as values for a template: the settings, and a value for each path."""
    head, mark, tail = text.partition("paths:\n")
    paths = [line.strip().partition('": ') for line in tail.splitlines()]
    names = [name.lstrip('"') for name, _, _ in paths]
    return {
        "head": head + mark,
        "paths": [{"name": name, "settings": settings} for name, (_, _, settings) in zip(names, paths, strict=True)],
        "sentinel": next(name for name in names if name.startswith(SENTINEL_PREFIX)),
    }


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
