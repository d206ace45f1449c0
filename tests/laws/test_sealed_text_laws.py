"""What a row's seal is over, written the fast way, is the text that seals were made over before."""

from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import canonical_text
from provisioner.record.verdict_rows import PackedProvince, seal_message

texts = st.text(st.characters(codec="utf-8"), max_size=40)
numbers = st.integers(-(2**63), 2**63 - 1)


@given(inventory=texts, province=texts, listing=texts, run=texts, number=numbers, at=numbers, plane=st.binary())
def test_a_row_is_sealed_over_one_text(
    *, inventory: str, province: str, listing: str, run: str, number: int, at: int, plane: bytes
) -> None:
    packed = PackedProvince(province, listing, plane, plane)
    said = seal_message(inventory, packed, run, number, at)
    empty = seal_message("", PackedProvince("", "", plane, plane), "", 0, 0)
    planes = empty.removeprefix('["verdicts","","",0,"",0,"",').removesuffix("]").replace('"', "").split(",")
    assert said == canonical_text(["verdicts", inventory, province, number, run, at, listing, *planes])
