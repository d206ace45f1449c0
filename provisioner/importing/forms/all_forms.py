"""The four sheets together, and which of them a header is of."""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.importing.forms.camera_form import CAMERAS
from provisioner.importing.forms.contact_form import CONTACTS
from provisioner.importing.forms.facility_form import FACILITIES
from provisioner.importing.forms.survey_form import SURVEYS

FORMS = (FACILITIES, CONTACTS, SURVEYS, CAMERAS)
FORM_OF = {form.kind: form for form in FORMS}
WITHOUT_MEANING = frozenset(
    {"number", "facility_id", "facility_name", "province", "note", "district", "ward", "street"}
)
"""Keys that several sheets have: they do not tell which one it is."""


def known_headers(row: Iterable[str]) -> int:
    """How many different columns of one sheet the cells of a row are headers of."""
    texts = [text for text in row if text.strip()]
    return max(len({column.key for text in texts if (column := form.find(text))}) for form in FORMS)
