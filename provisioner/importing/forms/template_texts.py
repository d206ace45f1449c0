"""The texts of the template: its version, titles, how to fill it in, and an invented example row for each sheet."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.importing.forms.columns import FormKind

VERSION = 1
VERSION_MARK = "provisioner/import/"
"""What stands before the version in a sheet's hidden row."""

EXAMPLE_MARK = "Ví dụ"
"""What stands in the first column of the template's example row."""

TITLES: Mapping[FormKind, str] = {
    FormKind.FACILITIES: "DANH SÁCH CƠ SỞ CÁCH LY TẬP TRUNG",
    FormKind.CONTACTS: "ĐẦU MỐI LIÊN HỆ CỦA CÁC CƠ SỞ CÁCH LY",
    FormKind.SURVEYS: "KẾT QUẢ KHẢO SÁT HIỆN TRẠNG CAMERA",
    FormKind.CAMERAS: "DANH SÁCH CAMERA VÀ ĐẦU GHI",
}

GUIDE = (
    "1. Mỗi dòng một cơ sở, một đầu mối, một lần khảo sát, một camera hoặc một đầu ghi. Không gộp ô, không ẩn dòng.",
    "2. Mã cơ sở, mã camera, mã đầu ghi để trống nếu là mới: hệ thống cấp mã và báo lại. Mã đã cấp không bao giờ đổi.",
    "3. Ô để trống nghĩa là không thay đổi điều đã có; xóa nội dung đã có thì báo đơn vị vận hành.",
    "4. Ngày ghi ngày/tháng/năm, ví dụ 07/05/2021. Số điện thoại ghi đủ số 0 ở đầu, mỗi ô một số.",
    "5. KHÔNG ghi mật khẩu vào tệp này dưới bất kỳ hình thức nào. Tài khoản thiết bị gửi theo kênh riêng.",
    "6. Tên, số điện thoại, thư điện tử của người chỉ ghi ở trang Đầu mối; dữ liệu ở trang này được mã hóa khi lưu.",
    "7. Camera chỉ quan sát khu vực chung (công văn 4403/CV-BCĐ); không lắp trong phòng ở, nhà tắm, nhà vệ sinh.",
    "8. Đầu ghi ghi thành một dòng ở trang Camera (Loại thiết bị: Đầu ghi); mỗi kênh của nó là một dòng Kênh đầu ghi.",
    "9. Dòng Ví dụ không được đọc; có thể để nguyên hoặc xóa.",
    "10. Ghi đủ Quận/Huyện, Xã/Phường và Địa chỉ để không nhầm các cơ sở trùng tên. Chưa chắc chắn thì hỏi lại trước.",
    "11. Khi hệ thống hỏi về một dòng thì trả lời ở cột Mã cơ sở: ghi mã của cơ sở đã có, hoặc chữ “mới”.",
)

EXAMPLES: Mapping[FormKind, Mapping[str, str]] = {
    FormKind.FACILITIES: {
        "province": "Hà Nội",
        "district": "Quận Ví Dụ",
        "ward": "Phường Ví Dụ",
        "name": "Trường THPT Ví Dụ",
        "kind": "Trường học",
        "managing_body": "UBND tỉnh",
        "street": "Số 1, đường Ví Dụ",
        "people": "200",
        "rooms": "40",
        "floors": "3",
        "operating": "Đang hoạt động",
        "opened_on": "07/05/2021",
    },
    FormKind.CONTACTS: {
        "facility_name": "Trường THPT Ví Dụ",
        "full_name": "Nguyễn Văn Ví Dụ",
        "title": "Hiệu trưởng",
        "phone": "0300 000 001",
        "email": "lien-he-01@example.com",
        "role": "Đại diện cơ sở",
        "valid_from": "07/05/2021",
        "source": "Công văn số 01 ngày 07/05/2021",
    },
    FormKind.SURVEYS: {
        "facility_name": "Trường THPT Ví Dụ",
        "surveyed_on": "08/05/2021",
        "by": "Sở TT&TT; Doanh nghiệp viễn thông",
        "uplink_kind": "Cáp quang",
        "uplink_provider": "VNPT",
        "upload_mbps": "40",
        "uplink_address": "Động",
        "router": "MikroTik hEX",
        "lan": "192.168.1.0/24",
        "rtsp": "Đã bật",
        "logins": "Đã nhận",
        "present": "6",
        "fit": "4",
        "missing": "2",
        "gaps": "Khu lấy mẫu; Cổng",
        "verdict": "Cần bổ sung camera",
        "advice": "Bổ sung 2 camera",
        "block_reason": "Chờ kinh phí",
        "block_owner": "UBND tỉnh",
        "block_next": "Phê duyệt kinh phí mua camera",
        "block_due": "15/05/2021",
    },
    FormKind.CAMERAS: {
        "facility_name": "Trường THPT Ví Dụ",
        "location": "Hành lang tầng 2, đầu phía đông",
        "zone": "Hành lang",
        "device": "Camera IP",
        "make": "Hikvision",
        "model": "DS-2CD1021-I",
        "address": "192.168.1.31",
        "port": "554",
        "sub_size": "640x360",
        "sub_fps": "15",
        "sub_codec": "H.264",
        "sub_kbps": "512",
        "main_size": "1920x1080",
        "main_fps": "25",
        "main_codec": "H.265",
        "main_kbps": "2048",
        "audio": "Không",
    },
}
"""Invented, and read by nobody; the tests hold that each one would be read without an error."""
