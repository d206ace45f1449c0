"""The words of notices in Vietnamese and in English, in one table; a test sees that none is missing. Pure.

Names, paths and the evidence of a check are the same in both: the evidence is in English, and for engineers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from provisioner.base.roles import ReaderRole
from provisioner.inventory.model import NoticeLanguage
from provisioner.verify.result import Cause, Layer, Verdict


class Phrase(StrEnum):
    """A phrase of notices; its value is its English form, with its gaps."""

    NIGHT = "Night of {day}"
    FOR = "for: {role}"
    COUNTED = "{up} of {paths} paths up"
    NONE_COUNTED = "no path was measured"
    SUBJECT_NEW = "{n} new"
    SUBJECT_CHANGED = "{n} changed"
    SUBJECT_BACK = "{n} back"
    SUBJECT_STANDING = "{n} still"
    NOTHING_NEW = "nothing changed"
    ALL_UP = "all paths up"
    TEST_SUBJECT = "test message"
    TEST = "This is a test message. Nothing is wrong, and nothing has to be done."
    NEW = "NEW"
    CHANGED = "CHANGED"
    BACK = "UP AGAIN"
    STANDING = "STILL NOT UP"
    BY_PROVINCE = "BY PROVINCE"
    PATHS = "{n} paths"
    PATH = "1 path"
    SINCE = "since {day}, night {n}"
    BEFORE = "before: {cause}"
    MORE = "and {n} more"
    MORE_ITEMS = "and {n} more; the night's report has all"
    DETAIL = "evidence: {detail}"
    LEFT = "{n} that were told of before are not in the inventory any more"
    PROVINCE = "{province}: {up} of {paths} up; {new} new, {back} back, {standing} still"
    FOOT = "An automatic message about the inventory {inventory}. Do not answer: nobody reads this address."
    RUN = "run {run}"
    UP_AGAIN = "up again"


_PHRASES: Final[Mapping[Phrase, str]] = MappingProxyType(
    {
        Phrase.NIGHT: "Đêm {day}",
        Phrase.FOR: "gửi: {role}",
        Phrase.COUNTED: "{up}/{paths} luồng hoạt động",
        Phrase.NONE_COUNTED: "chưa kiểm tra được luồng nào",
        Phrase.SUBJECT_NEW: "{n} mới",
        Phrase.SUBJECT_CHANGED: "{n} thay đổi",
        Phrase.SUBJECT_BACK: "{n} đã khôi phục",
        Phrase.SUBJECT_STANDING: "{n} chưa khắc phục",
        Phrase.NOTHING_NEW: "không có thay đổi",
        Phrase.ALL_UP: "tất cả các luồng đều hoạt động",
        Phrase.TEST_SUBJECT: "tin thử",
        Phrase.TEST: "Đây là tin thử. Không có sự cố, không cần xử lý gì.",
        Phrase.NEW: "MỚI",
        Phrase.CHANGED: "THAY ĐỔI",
        Phrase.BACK: "ĐÃ KHÔI PHỤC",
        Phrase.STANDING: "CHƯA KHẮC PHỤC",
        Phrase.BY_PROVINCE: "THEO TỈNH",
        Phrase.PATHS: "{n} luồng",
        Phrase.PATH: "1 luồng",
        Phrase.SINCE: "từ {day}, đêm thứ {n}",
        Phrase.BEFORE: "trước đó: {cause}",
        Phrase.MORE: "và {n} luồng khác",
        Phrase.MORE_ITEMS: "và {n} mục khác; xem báo cáo của đêm",
        Phrase.DETAIL: "chi tiết (tiếng Anh): {detail}",
        Phrase.LEFT: "{n} luồng đã báo trước đây không còn trong danh mục",
        Phrase.PROVINCE: "{province}: {up}/{paths} hoạt động; {new} mới, {back} khôi phục, {standing} chưa khắc phục",
        Phrase.FOOT: "Tin tự động về danh mục {inventory}. Xin đừng trả lời: không ai đọc địa chỉ này.",
        Phrase.RUN: "lượt chạy {run}",
        Phrase.UP_AGAIN: "hoạt động trở lại",
    }
)
_VERDICTS: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.UP: "hoạt động",
        Verdict.DEGRADED: "suy giảm",
        Verdict.UNKNOWN: "chưa rõ",
        Verdict.DOWN: "mất hình",
        Verdict.MAINTENANCE: "bảo trì",
        Verdict.QUARANTINED: "tạm ngừng do sai mật khẩu",
    }
)
_LAYERS: Final[Mapping[Layer, str]] = MappingProxyType(
    {
        Layer.HOST: "máy chủ",
        Layer.RELAY: "dịch vụ chuyển tiếp",
        Layer.FIREWALL: "tường lửa",
        Layer.TUNNEL: "đường hầm",
        Layer.SITE: "mạng tại cơ sở",
        Layer.RECORDER: "đầu ghi",
        Layer.CAMERA: "camera",
        Layer.STREAM: "luồng",
        Layer.PICTURE: "hình ảnh",
    }
)
_CAUSES: Final[Mapping[Cause, str]] = MappingProxyType(
    {
        Cause.NONE: "",
        Cause.HOST_UNREACHABLE: "không kết nối được máy chủ",
        Cause.RELAY_STOPPED: "dịch vụ chuyển tiếp đã dừng",
        Cause.FIREWALL: "bị tường lửa chặn",
        Cause.FOREIGN_FIREWALL: "bị tường lửa của bên khác chặn",
        Cause.TUNNEL_DOWN: "mất đường hầm",
        Cause.PACKETS_TOO_LARGE: "gói tin quá lớn (MTU)",
        Cause.SITE_NETWORK_DOWN: "mất mạng tại cơ sở",
        Cause.NOT_FORWARDED: "thiết bị cửa ngõ không chuyển tiếp",
        Cause.PORT_MAP_MISSING: "thiếu ánh xạ cổng",
        Cause.PORT_MAP_OR_CAMERA: "lỗi ánh xạ cổng hoặc camera",
        Cause.CAMERA_REFUSES: "camera từ chối kết nối",
        Cause.CAMERA_UNPLUGGED: "camera mất điện hoặc đứt cáp",
        Cause.CAMERA_SHUT: "camera chặn kết nối",
        Cause.CAMERA_HUNG: "camera bị treo",
        Cause.WRONG_ANSWER: "thiết bị trả lời sai",
        Cause.WRONG_PASSWORD: "sai mật khẩu",
        Cause.NO_SUCH_STREAM: "không có luồng này",
        Cause.SILENT: "không gửi dữ liệu",
        Cause.PICTURE_DIFFERS: "hình không đúng thông số",
        Cause.SENDS_SOUND: "có gửi âm thanh",
        Cause.BLACK_PICTURE: "hình đen",
        Cause.FLAT_PICTURE: "hình một màu",
        Cause.NO_VIDEO: "đầu ghi báo mất hình",
        Cause.PICTURE_REPEATS: "hình lặp lại",
        Cause.CORRUPT: "hình hỏng",
        Cause.TIME_STUCK: "nhãn thời gian đứng yên",
        Cause.RATE_TOO_LOW: "tốc độ khung hình quá thấp",
        Cause.STARVED: "thiếu băng thông",
        Cause.REDIRECTED: "camera chuyển hướng",
        Cause.CENTRE_CANNOT_READ: "trung tâm không đọc được",
        Cause.DRIFT: "cấu hình bị lệch",
        Cause.HELD: "tạm giữ do tệp khai báo có lỗi",
        Cause.FLAPPING: "chập chờn",
        Cause.NOT_CHECKED: "chưa kiểm tra",
        Cause.CANNOT_CHECK: "không kiểm tra được",
        Cause.DISK_FULL: "đầy đĩa",
        Cause.CLOCK_OFF: "sai đồng hồ",
        Cause.NOT_ASKED: "không yêu cầu kiểm tra",
        Cause.UNKNOWN: "chưa rõ nguyên nhân",
    }
)
_ROLES: Final[Mapping[ReaderRole, tuple[str, str]]] = MappingProxyType(
    {
        ReaderRole.MINISTRY: ("ministry", "Bộ (Cục Viễn thông)"),
        ReaderRole.STEERING: ("steering committee", "Ban Chỉ đạo"),
        ReaderRole.DIC: ("DIC", "Sở TT&TT"),
        ReaderRole.HEALTH: ("Health department", "Sở Y tế"),
        ReaderRole.CARRIER: ("carrier", "Doanh nghiệp viễn thông"),
        ReaderRole.FACILITY: ("facility", "Cơ sở"),
    }
)


class NoticeWording:
    """The words of one language."""

    def __init__(self, language: NoticeLanguage) -> None:
        self.language = language
        self._is_vietnamese = language is NoticeLanguage.VI

    def say(self, phrase: Phrase, **gaps: object) -> str:
        """A phrase with its gaps filled."""
        text = _PHRASES[phrase] if self._is_vietnamese else phrase.value
        return text.format(**gaps)

    def paths(self, number: int) -> str:
        """So many paths."""
        return self.say(Phrase.PATH) if number == 1 else self.say(Phrase.PATHS, n=number)

    def verdict(self, verdict: Verdict) -> str:
        """A verdict's word."""
        return _VERDICTS[verdict] if self._is_vietnamese else verdict.value

    def layer(self, layer: Layer) -> str:
        """A layer's word."""
        return _LAYERS[layer] if self._is_vietnamese else layer.value

    def cause(self, cause: Cause) -> str:
        """A cause's words."""
        if self._is_vietnamese:
            return _CAUSES[cause]
        return "cause unknown" if cause is Cause.UNKNOWN else cause.value

    def role(self, role: ReaderRole) -> str:
        """A role's name."""
        return _ROLES[role][1 if self._is_vietnamese else 0]

    def day(self, day: date) -> str:
        """A day as people write it."""
        return f"{day:%d/%m/%Y}" if self._is_vietnamese else day.isoformat()
