"""A verification as its JSON document, in one text. Pure."""

from __future__ import annotations

import json

from provisioner.verify.result import VerifyResult, verify_document


def json_text(result: VerifyResult) -> str:
    """The `verify` document as JSON, Vietnamese letters as they are."""
    return json.dumps(verify_document(result), ensure_ascii=False, indent=2) + "\n"
