"""Vietnamese words of values in facilities' files. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from provisioner.inventory.model import connection
from provisioner.inventory.model.devices import Zone
from provisioner.inventory.model.facility import FacilityKind, Operating
from provisioner.inventory.model.orders import ManagingBody

VALUE_WORDS: Final[tuple[tuple[StrEnum, str], ...]] = (
    (FacilityKind.SCHOOL, "Trường học | Trường | Trường đại học | Trường cao đẳng | Trường THPT | Trường THCS"),
    (FacilityKind.DORMITORY, "Ký túc xá | KTX"),
    (FacilityKind.HOTEL, "Khách sạn | Nhà nghỉ | Khu nghỉ dưỡng | Resort"),
    (FacilityKind.BARRACKS, "Doanh trại | Doanh trại quân đội | Đơn vị quân đội | Trường quân sự"),
    (FacilityKind.HOSPITAL, "Cơ sở y tế | Bệnh viện | Trung tâm y tế | Trạm y tế"),
    (FacilityKind.FACTORY, "Nhà máy | Xí nghiệp | Khu công nghiệp | Nhà xưởng"),
    (FacilityKind.OTHER, "Khác | Loại khác"),
    (ManagingBody.UBND_TINH, "UBND tỉnh | UBND tỉnh/thành phố | UBND thành phố | Cấp tỉnh | Tỉnh"),
    (ManagingBody.UBND_HUYEN, "UBND huyện | UBND quận/huyện | UBND quận | UBND thị xã | Cấp huyện | Huyện"),
    (ManagingBody.UBND_XA, "UBND xã | UBND xã/phường | UBND phường | UBND đặc khu | Cấp xã | Xã | Phường | Đặc khu"),
    (ManagingBody.QUAN_DOI, "Quân đội | Bộ Quốc phòng | Bộ CHQS tỉnh | Bộ Chỉ huy quân sự tỉnh | Quân khu"),
    (ManagingBody.CONG_AN, "Công an | Bộ Công an | Công an tỉnh"),
    (ManagingBody.DOANH_NGHIEP, "Doanh nghiệp | Công ty | Tư nhân"),
    (Operating.OPEN, "Đang hoạt động | Hoạt động | Đang sử dụng | Đang cách ly | Có"),
    (Operating.PREPARING, "Đang chuẩn bị | Chuẩn bị hoạt động | Sắp hoạt động | Sắp mở"),
    (Operating.STANDBY, "Dự phòng | Tạm dừng | Tạm ngừng | Chưa hoạt động | Sẵn sàng"),
    (Operating.CLOSED, "Đã đóng | Đóng | Ngừng hoạt động | Dừng hoạt động | Đã giải thể | Giải thể | Kết thúc"),
    (connection.Party.DIC, "Sở TT&TT | Sở TTTT | Sở Thông tin và Truyền thông | Sở KH&CN | Sở Khoa học và Công nghệ"),
    (connection.Party.HEALTH, "Sở Y tế | Y tế"),
    (connection.Party.CARRIER, "Doanh nghiệp viễn thông | Doanh nghiệp | Nhà mạng | Viettel | VNPT"),
    (connection.UplinkKind.FIBRE, "Cáp quang | FTTH | Internet cáp quang | Quang"),
    (connection.UplinkKind.LEASED_LINE, "Kênh thuê riêng | Leased line | Leaseline | Kênh riêng"),
    (connection.UplinkKind.MOBILE, "Di động | 4G | 3G | 5G | 3G/4G"),
    (connection.UplinkKind.OTHER, "Khác | ADSL | Cáp đồng | Cáp truyền hình"),
    (connection.UplinkKind.NONE, "Không có | Không | Chưa có"),
    (connection.UplinkAddress.STATIC, "Tĩnh | IP tĩnh"),
    (connection.UplinkAddress.DYNAMIC, "Động | IP động"),
    (connection.UplinkAddress.CGNAT, "CGNAT | IP dùng chung | IP dùng chung (CGNAT) | NAT"),
    (connection.RtspState.ENABLED, "Đã bật | Bật | Có | Rồi | on | Yes"),
    (connection.RtspState.DISABLED, "Chưa bật | Tắt | Không | Chưa | off | No"),
    (connection.RtspState.CLOUD_ONLY, "Chỉ xem qua ứng dụng | Chỉ xem qua cloud | Chỉ qua đám mây | Cloud"),
    (connection.RtspState.LOCKED, "Bị khóa | Khóa | Nhà sản xuất khóa"),
    (connection.LoginState.RECEIVED, "Đã nhận | Đã bàn giao | Có | Rồi"),
    (connection.LoginState.MISSING, "Chưa nhận | Chưa bàn giao | Chưa có | Chưa | Không"),
    (connection.SurveyVerdict.READY, "Đạt, kết nối được | Đạt | Đạt yêu cầu | Kết nối được | Sẵn sàng"),
    (
        connection.SurveyVerdict.NEEDS_CAMERAS,
        "Cần bổ sung camera | Bổ sung camera | Thiếu camera | Cần lắp thêm | Lắp mới",
    ),
    (connection.SurveyVerdict.NEEDS_REPAIR, "Cần sửa chữa | Sửa chữa | Hỏng"),
    (connection.SurveyVerdict.NEEDS_REPLACEMENT, "Cần thay thế thiết bị | Cần thay thế | Thay thế | Thay mới"),
    (
        connection.SurveyVerdict.NEEDS_UPLINK,
        "Cần đường truyền | Cần nâng cấp đường truyền | Cần nâng cấp Internet | Thiếu mạng",
    ),
    (connection.SurveyVerdict.NOT_POSSIBLE, "Không kết nối được | Không thể kết nối | Không đạt"),
    (connection.BlockReason.NO_COOPERATION, "Cơ sở chưa phối hợp | Không phối hợp | Chưa phối hợp | Không hợp tác"),
    (connection.BlockReason.NO_CAMERAS, "Chưa có camera | Không có camera"),
    (
        connection.BlockReason.OBSOLETE_DEVICE,
        "Thiết bị cũ, không tương thích | Thiết bị cũ | Camera cũ | Thiết bị lạc hậu",
    ),
    (connection.BlockReason.RTSP_UNAVAILABLE, "Không lấy được luồng RTSP | Không có RTSP | Không hỗ trợ RTSP"),
    (connection.BlockReason.CREDENTIALS_MISSING, "Chưa có tài khoản thiết bị | Chưa có tài khoản | Chưa có mật khẩu"),
    (connection.BlockReason.NO_UPLINK, "Chưa có đường truyền | Không có Internet | Chưa có Internet | Không có mạng"),
    (connection.BlockReason.CGNAT_UDP_BLOCKED, "Nhà mạng chặn UDP (CGNAT) | Chặn UDP"),
    (connection.BlockReason.SECURITY_POLICY, "Quy định an ninh | Cấu hình bảo mật | Lý do an ninh"),
    (connection.BlockReason.NEEDS_INVESTMENT, "Chờ kinh phí | Cần đầu tư | Chưa có kinh phí"),
    (connection.BlockReason.NOT_IN_SCOPE, "Không thuộc phạm vi | Ngoài phạm vi"),
    (connection.BlockOwner.FACILITY, "Cơ sở cách ly | Cơ sở"),
    (connection.BlockOwner.DIC, "Sở TT&TT | Sở TTTT | Sở Thông tin và Truyền thông | Sở KH&CN"),
    (connection.BlockOwner.HEALTH, "Sở Y tế | Y tế"),
    (connection.BlockOwner.CARRIER, "Doanh nghiệp viễn thông | Doanh nghiệp | Viettel | VNPT"),
    (connection.BlockOwner.PROVINCE, "UBND tỉnh | Tỉnh | UBND tỉnh/thành phố"),
    (connection.BlockOwner.MINISTRY, "Bộ TT&TT | Bộ TTTT | Cục Viễn thông | Bộ"),
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
