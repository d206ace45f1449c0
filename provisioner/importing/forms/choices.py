"""The words of provinces' choices: the template's first, then other common ones.

Words are compared without case, marks, spaces and signs; similar words do not count. The model's own values are words,
too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from provisioner.base.vietnamese import fold
from provisioner.importing.contacts.store import ROLE_LABELS, Role
from provisioner.inventory import makes
from provisioner.inventory.model import (
    BlockOwner,
    BlockReason,
    Codec,
    FacilityKind,
    Make,
    ManagingBody,
    Operating,
    Party,
    StreamName,
    SurveyVerdict,
    UplinkKind,
    Zone,
)
from provisioner.inventory.model.connection import LoginState, RtspState, UplinkAddress


class DeviceKind(StrEnum):
    """The device of a row in the sheet of cameras."""

    CAMERA = "camera"
    CHANNEL = "channel"
    RECORDER = "recorder"


class YesNo(StrEnum):
    """A mark that is set or not."""

    YES = "yes"
    NO = "no"


@lru_cache(maxsize=4096)
def word_key(text: str) -> str:
    """Return the key that compares words and headers: lower-case letters and digits."""
    return fold(text).replace("-", "")


@dataclass(frozen=True)
class Choice:
    """A closed list of values, each with words, the template's first."""

    words: Mapping[str, tuple[str, ...]]
    keys: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keys: dict[str, str] = {}
        for value, words in self.words.items():
            for key in map(word_key, (value, *words)):
                if keys.setdefault(key, value) != value:
                    raise ValueError(f"{key} means both {keys[key]} and {value}")
        object.__setattr__(self, "keys", keys)

    def find(self, text: str) -> str | None:
        """Return the value of a word."""
        return self.keys.get(word_key(text))

    def label(self, value: str) -> str:
        """Return the template's word for a value."""
        return self.words[value][0]

    @property
    def labels(self) -> tuple[str, ...]:
        """The template's words, in order."""
        return tuple(words[0] for words in self.words.values())


def _choice(words: Iterable[tuple[StrEnum, str]]) -> Choice:
    """Make a choice from pairs `value, "word | another word"`."""
    return Choice({value.value: tuple(word.strip() for word in listed.split("|")) for value, listed in words})


KINDS = _choice(
    (
        (FacilityKind.SCHOOL, "Trường học | Trường | Trường đại học | Trường cao đẳng | Trường THPT | Trường THCS"),
        (FacilityKind.DORMITORY, "Ký túc xá | KTX"),
        (FacilityKind.HOTEL, "Khách sạn | Nhà nghỉ | Khu nghỉ dưỡng | Resort"),
        (FacilityKind.BARRACKS, "Doanh trại | Doanh trại quân đội | Đơn vị quân đội | Trường quân sự"),
        (FacilityKind.HOSPITAL, "Cơ sở y tế | Bệnh viện | Trung tâm y tế | Trạm y tế"),
        (FacilityKind.FACTORY, "Nhà máy | Xí nghiệp | Khu công nghiệp | Nhà xưởng"),
        (FacilityKind.OTHER, "Khác | Loại khác"),
    )
)
BODIES = _choice(
    (
        (ManagingBody.UBND_TINH, "UBND tỉnh | UBND tỉnh/thành phố | UBND thành phố | Cấp tỉnh | Tỉnh"),
        (ManagingBody.UBND_HUYEN, "UBND huyện | UBND quận/huyện | UBND quận | UBND thị xã | Cấp huyện | Huyện"),
        (
            ManagingBody.UBND_XA,
            "UBND xã | UBND xã/phường | UBND phường | UBND đặc khu | Cấp xã | Xã | Phường | Đặc khu",
        ),
        (ManagingBody.QUAN_DOI, "Quân đội | Bộ Quốc phòng | Bộ CHQS tỉnh | Bộ Chỉ huy quân sự tỉnh | Quân khu"),
        (ManagingBody.CONG_AN, "Công an | Bộ Công an | Công an tỉnh"),
        (ManagingBody.DOANH_NGHIEP, "Doanh nghiệp | Công ty | Tư nhân"),
    )
)
OPERATING = _choice(
    (
        (Operating.OPEN, "Đang hoạt động | Hoạt động | Đang sử dụng | Đang cách ly | Có"),
        (Operating.PREPARING, "Đang chuẩn bị | Chuẩn bị hoạt động | Sắp hoạt động | Sắp mở"),
        (Operating.STANDBY, "Dự phòng | Tạm dừng | Tạm ngừng | Chưa hoạt động | Sẵn sàng"),
        (Operating.CLOSED, "Đã đóng | Đóng | Ngừng hoạt động | Dừng hoạt động | Đã giải thể | Giải thể | Kết thúc"),
    )
)
ROLES = _choice(
    (role, f"{ROLE_LABELS[role]} | {others}")
    for role, others in (
        (Role.REPRESENTATIVE, "Đại diện | Người đại diện | Đầu mối | Đầu mối cơ sở | Phụ trách"),
        (Role.TECHNICIAN, "Kỹ thuật viên | Cán bộ kỹ thuật | CNTT"),
        (Role.DIC, "Sở TTTT | Sở Thông tin và Truyền thông | Sở KH&CN | Sở Khoa học và Công nghệ"),
        (Role.HEALTH, "Y tế"),
        (Role.CARRIER, "Doanh nghiệp | Viettel | VNPT | Nhà mạng"),
    )
)
PARTIES = _choice(
    (
        (Party.DIC, "Sở TT&TT | Sở TTTT | Sở Thông tin và Truyền thông | Sở KH&CN | Sở Khoa học và Công nghệ"),
        (Party.HEALTH, "Sở Y tế | Y tế"),
        (Party.CARRIER, "Doanh nghiệp viễn thông | Doanh nghiệp | Nhà mạng | Viettel | VNPT"),
    )
)
UPLINKS = _choice(
    (
        (UplinkKind.FIBRE, "Cáp quang | FTTH | Internet cáp quang | Quang"),
        (UplinkKind.LEASED_LINE, "Kênh thuê riêng | Leased line | Leaseline | Kênh riêng"),
        (UplinkKind.MOBILE, "Di động | 4G | 3G | 5G | 3G/4G"),
        (UplinkKind.OTHER, "Khác | ADSL | Cáp đồng | Cáp truyền hình"),
        (UplinkKind.NONE, "Không có | Không | Chưa có"),
    )
)
UPLINK_ADDRESSES = _choice(
    (
        (UplinkAddress.STATIC, "Tĩnh | IP tĩnh"),
        (UplinkAddress.DYNAMIC, "Động | IP động"),
        (UplinkAddress.CGNAT, "CGNAT | IP dùng chung | IP dùng chung (CGNAT) | NAT"),
    )
)
RTSP = _choice(
    (
        (RtspState.ENABLED, "Đã bật | Bật | Có | Rồi | on | Yes"),
        (RtspState.DISABLED, "Chưa bật | Tắt | Không | Chưa | off | No"),
        (RtspState.CLOUD_ONLY, "Chỉ xem qua ứng dụng | Chỉ xem qua cloud | Chỉ qua đám mây | Cloud"),
        (RtspState.LOCKED, "Bị khóa | Khóa | Nhà sản xuất khóa"),
    )
)
LOGINS = _choice(
    (
        (LoginState.RECEIVED, "Đã nhận | Đã bàn giao | Có | Rồi"),
        (LoginState.MISSING, "Chưa nhận | Chưa bàn giao | Chưa có | Chưa | Không"),
    )
)
VERDICTS = _choice(
    (
        (SurveyVerdict.READY, "Đạt, kết nối được | Đạt | Đạt yêu cầu | Kết nối được | Sẵn sàng"),
        (SurveyVerdict.NEEDS_CAMERAS, "Cần bổ sung camera | Bổ sung camera | Thiếu camera | Cần lắp thêm | Lắp mới"),
        (SurveyVerdict.NEEDS_REPAIR, "Cần sửa chữa | Sửa chữa | Hỏng"),
        (SurveyVerdict.NEEDS_REPLACEMENT, "Cần thay thế thiết bị | Cần thay thế | Thay thế | Thay mới"),
        (
            SurveyVerdict.NEEDS_UPLINK,
            "Cần đường truyền | Cần nâng cấp đường truyền | Cần nâng cấp Internet | Thiếu mạng",
        ),
        (SurveyVerdict.NOT_POSSIBLE, "Không kết nối được | Không thể kết nối | Không đạt"),
    )
)
OBSTACLES = _choice(
    (
        (BlockReason.NO_COOPERATION, "Cơ sở chưa phối hợp | Không phối hợp | Chưa phối hợp | Không hợp tác"),
        (BlockReason.NO_CAMERAS, "Chưa có camera | Không có camera"),
        (BlockReason.OBSOLETE_DEVICE, "Thiết bị cũ, không tương thích | Thiết bị cũ | Camera cũ | Thiết bị lạc hậu"),
        (BlockReason.RTSP_UNAVAILABLE, "Không lấy được luồng RTSP | Không có RTSP | Không hỗ trợ RTSP"),
        (BlockReason.CREDENTIALS_MISSING, "Chưa có tài khoản thiết bị | Chưa có tài khoản | Chưa có mật khẩu"),
        (BlockReason.NO_UPLINK, "Chưa có đường truyền | Không có Internet | Chưa có Internet | Không có mạng"),
        (BlockReason.CGNAT_UDP_BLOCKED, "Nhà mạng chặn UDP (CGNAT) | Chặn UDP"),
        (BlockReason.SECURITY_POLICY, "Quy định an ninh | Cấu hình bảo mật | Lý do an ninh"),
        (BlockReason.NEEDS_INVESTMENT, "Chờ kinh phí | Cần đầu tư | Chưa có kinh phí"),
        (BlockReason.NOT_IN_SCOPE, "Không thuộc phạm vi | Ngoài phạm vi"),
    )
)
OWNERS = _choice(
    (
        (BlockOwner.FACILITY, "Cơ sở cách ly | Cơ sở"),
        (BlockOwner.DIC, "Sở TT&TT | Sở TTTT | Sở Thông tin và Truyền thông | Sở KH&CN"),
        (BlockOwner.HEALTH, "Sở Y tế | Y tế"),
        (BlockOwner.CARRIER, "Doanh nghiệp viễn thông | Doanh nghiệp | Viettel | VNPT"),
        (BlockOwner.PROVINCE, "UBND tỉnh | Tỉnh | UBND tỉnh/thành phố"),
        (BlockOwner.MINISTRY, "Bộ TT&TT | Bộ TTTT | Cục Viễn thông | Bộ"),
    )
)
ZONES = _choice(
    (
        (Zone.HANH_LANG, "Hành lang | Hành lang ngoài cửa phòng | Hành lang tầng"),
        (Zone.SANH_TANG, "Sảnh tầng | Sảnh | Sảnh các tầng"),
        (Zone.SAN, "Sân | Khu vực sân | Sân chung | Khuôn viên"),
        (Zone.LAY_MAU, "Khu lấy mẫu | Lấy mẫu | Khu vực lấy mẫu | Nơi lấy mẫu"),
        (Zone.TIEP_DON, "Khu tiếp đón | Tiếp đón | Khu tiếp nhận | Tiếp nhận | Khu vực tiếp đón"),
        (Zone.KIEM_TRA_Y_TE, "Khu kiểm tra y tế | Kiểm tra y tế | Khu vực kiểm tra y tế | Khám sàng lọc"),
        (Zone.NHAN_DO, "Khu nhận đồ | Nhận đồ | Nơi nhận đồ | Khu giao nhận đồ | Giao nhận đồ | Khu nhận đồ tiếp tế"),
        (
            Zone.NGOAI_NHA_TAM_VE_SINH,
            "Ngoài nhà tắm, nhà vệ sinh chung | Ngoài nhà tắm, nhà vệ sinh | Ngoài nhà vệ sinh | Ngoài khu vệ sinh",
        ),
        (Zone.CONG, "Cổng | Cổng ra vào | Cổng chính | Cổng phụ"),
        (Zone.KHAC, "Khu vực công cộng khác | Khác | Nơi công cộng khác"),
    )
)
DEVICES = _choice(
    (
        (DeviceKind.CAMERA, "Camera IP | IP camera | Camera mạng"),
        (DeviceKind.CHANNEL, "Kênh đầu ghi | Kênh | Camera qua đầu ghi | Camera analog"),
        (DeviceKind.RECORDER, "Đầu ghi | Đầu ghi hình | NVR | DVR"),
    )
)
MAKES = Choice(
    {make.value: maker.words for make, maker in makes.MAKES.items()}
    | {Make.GENERIC.value: ("Hãng khác", "Khác", "Không rõ")}
)
CODECS = _choice(((Codec.H264, "H.264 | AVC | H.264+ | x264"), (Codec.H265, "H.265 | HEVC | H.265+ | x265")))
STREAMS = _choice(
    (
        (StreamName.SUB, "Luồng phụ | Phụ | Sub stream | Substream"),
        (StreamName.MAIN, "Luồng chính | Chính | Main stream | Mainstream"),
    )
)
YES_NO = _choice(((YesNo.YES, "Có | x | true | 1 | Rồi"), (YesNo.NO, "Không | false | 0 | Chưa")))
NO_OBSTACLE = frozenset(map(word_key, ("Không", "Không có", "Không vướng", "Không vướng mắc", "none")))
