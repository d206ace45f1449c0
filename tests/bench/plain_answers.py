"""One process that takes hosts' answers apart, keeps all, and dumps them: `python -m tests.bench.plain_answers DIR`.

It judges nothing but whether bytes grew: what is left when all is left out that a verification is for.
"""

import json
import sys
from pathlib import Path
from typing import Any


def document_of(folder: Path) -> dict[str, Any]:
    """All answers in one document."""
    answers = {path.name: json.loads(path.read_bytes()) for path in sorted(folder.iterdir())}
    paths = [
        {"path": name, "relay": host, "up": _grew(path["samples"]), **path}
        for host, answer in answers.items()
        for name, path in (answer.get("answer", {}).get("relay") or {"paths": {}})["paths"].items()
    ]
    return {"paths": paths, "hosts": answers}


def _grew(samples: list[dict[str, Any] | None]) -> bool:
    first, second = samples
    return bool(first and second and second["inbound_bytes"] > first["inbound_bytes"])


if __name__ == "__main__":
    sys.stdout.write(f"{len(json.dumps(document_of(Path(sys.argv[1])), indent=2))}\n")
