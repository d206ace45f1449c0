"""MediaMTX's file, wanted and live, as far as a plan has to understand it. Pure."""

from __future__ import annotations

import json
import re

from provisioner.base.secret import Secret, keyed_digest
from provisioner.render.files import SENTINEL_PREFIX

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_SETTING_LINE = re.compile(r"^([A-Za-z][A-Za-z0-9]*): (.*)$", re.MULTILINE)
_SENTINEL_LINE = re.compile(rf'^  "({SENTINEL_PREFIX}[0-9a-f]+)": ', re.MULTILINE)


def canonical(document: object) -> bytes:
    """A document as JSON, byte for byte as the on-host program does."""
    return _CANONICAL.encode(document).encode()


def sentinel_of(content: bytes) -> str:
    """The sentinel's name out of a rendered relay file."""
    line = _SENTINEL_LINE.search(content.decode())
    return line[1] if line else ""


def settings_of(content: bytes, key: Secret) -> dict[str, object]:
    """A rendered relay file's settings as the on-host program describes them."""
    settings: dict[str, object] = {}
    for name, text in _SETTING_LINE.findall(content.decode()):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if name == "authInternalUsers":
            value = [{**user, "pass": keyed_digest(key, user["pass"].encode())} for user in value]
        settings[name] = value
    return settings
