"""Vietnamese words in reports, as in the importer's template. Pure."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from provisioner.base.text import VIETNAM
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.explanation.value_words import VALUE_WORDS
from provisioner.record.availability.measured import AgreedLevel
from provisioner.record.lifecycle.evidence import ProvedAt
from provisioner.record.lifecycle.state import FacilityState, Pictures, Since
from provisioner.record.lifecycle.status import OpeningRisk, OpeningWarning

TOTAL_LABEL = "Tổng cộng"
NO_PLAN_LABEL = "Chưa có phương án"

_WORDS: tuple[tuple[StrEnum, str], ...] = (
    (FacilityState.REGISTERED, "Đã đăng ký"),
    (FacilityState.CONTACT_CONFIRMED, "Đã có đầu mối"),
    (FacilityState.SURVEYED, "Đã khảo sát"),
    (FacilityState.PLAN_PROPOSED, "Đã đề xuất phương án"),
    (FacilityState.PLAN_AGREED, "Đã thống nhất phương án"),
    (FacilityState.PROVISIONED, "Đã cấu hình"),
    (FacilityState.CONNECTED, "Đã kết nối"),
    (FacilityState.ACCEPTED, "Đã nghiệm thu"),
    (FacilityState.ACTIVE, "Đang vận hành"),
    (FacilityState.SUSPENDED, "Tạm dừng"),
    (FacilityState.DECOMMISSIONING, "Đang gỡ bỏ"),
    (FacilityState.CLOSED, "Đã kết thúc"),
    (Timeliness.NOT_BOUND, "Không áp dụng"),
    (Timeliness.DUE, "Chưa đến hạn"),
    (Timeliness.ON_TIME, "Đúng hạn"),
    (Timeliness.LATE, "Trễ hạn"),
    (Timeliness.OVERDUE, "Quá hạn"),
    (AgreedLevel.NOT_AGREED, "Chưa thỏa thuận"),
    (AgreedLevel.MET, "Đạt"),
    (AgreedLevel.MISSED, "Không đạt"),
    (AgreedLevel.UNMEASURED, "Chưa đo"),
)


def _by_type(pairs: Iterable[tuple[StrEnum, str]]) -> dict[type[StrEnum], dict[str, str]]:
    labels: dict[type[StrEnum], dict[str, str]] = {}
    for value, name in pairs:
        labels.setdefault(type(value), {})[value.value] = name
    return labels


#: The word for each value, by enumeration.
LABELS = _by_type([*_WORDS, *((value, words.partition(" | ")[0]) for value, words in VALUE_WORDS)])


def label(value: StrEnum | None) -> str:
    """Return the word for a value; empty for `None`."""
    return "" if value is None else LABELS[type(value)][value.value]


def up_label(pictures: Pictures) -> str:
    """Return how many cameras are up; empty if no host pulls them."""
    if not pictures.carried:
        return ""
    if pictures.look is None:
        return "Chưa rõ"
    unknown = f", {pictures.unknown} chưa rõ" if pictures.unknown else ""
    return f"{pictures.up}/{pictures.cameras}{unknown}"


def opening_label(warning: OpeningWarning) -> str:
    """Return the warning about an opening in words."""
    connected = "" if warning.connected else ", chưa kết nối"
    if warning.risk is OpeningRisk.PASSED:
        return f"Lẽ ra hoạt động từ {warning.opens_on:%d/%m/%Y}{connected}"
    opens = f"Hoạt động sau {warning.days} ngày" if warning.days else "Hoạt động từ hôm nay"
    return f"{opens}{connected or ', hiện mất hình'}"


def day_label(since: Since) -> str:
    """Return a day or a time as Vietnamese reports write it."""
    if isinstance(since, datetime):
        return f"{since.astimezone(VIETNAM):%d/%m/%Y %H:%M}"
    return f"{since:%d/%m/%Y}" if since else ""


def moment_label(observed: ProvedAt | None) -> str:
    """Return an observation's time as `day_label`, or empty."""
    return day_label(observed.at) if observed else ""


def mbps_label(mbps: float | None) -> str:
    """Return a number with a decimal comma; empty for `None`."""
    return "" if mbps is None else f"{mbps:g}".replace(".", ",")
