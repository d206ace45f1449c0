"""A facility's page says for what share of the measured time pictures came, and how much nobody measured."""

from datetime import date

import pytest

from provisioner.record.availability.measured import Measured, Span
from provisioner.record.availability.path_state import WorstOfDay
from provisioner.verify.work import HostChanges, RunRow
from tests.boards import GivenSource
from tests.unit.web.clients import Outline, local


class NoPast:
    """A past that knows no path."""

    def nights(self, prefix: str, last: date, number: int) -> dict[str, list[WorstOfDay]]:
        del prefix, last, number
        return {}

    def measured(self, prefix: str, span: Span) -> dict[str, Measured]:
        del prefix, span
        return {}

    def changes(self, run: RunRow) -> dict[str, HostChanges]:
        del run
        return {}


@pytest.mark.parametrize(
    ("language", "says", "each"),
    [
        ("en", "In 30 days pictures came 88.89 % of the measured time; 10.00 % was not measured.", "88.89 % available"),
        ("vi", "Trong 30 ngày có hình 88,89 % thời gian đo được; 10,00 % không đo.", "sẵn sàng 88,89 %"),
    ],
)
def test_what_was_not_measured_is_no_part_of_the_share_and_is_said(language: str, says: str, each: str) -> None:
    text = Outline(local().get(f"/{language}/facilities/kcl-bg-002").text).text
    assert says in text
    assert text.count(each) == 3


def test_without_a_history_no_share_is_said() -> None:
    text = Outline(local(GivenSource(past=NoPast())).get("/en/facilities/kcl-bg-002").text).text
    assert "%" not in text
    assert "No history of nights is recorded yet" in text
