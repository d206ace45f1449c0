"""The sheet of surveys."""

from __future__ import annotations

from provisioner.importing.forms import choices as words
from provisioner.importing.forms import values
from provisioner.importing.forms.columns import PLACES_OF_SITES, Column, Form, FormKind, chosen, day, number, shared
from provisioner.importing.forms.networks import network
from provisioner.importing.forms.privacy import safe_number, safe_words

SURVEYS = Form(
    FormKind.SURVEYS,
    "Khảo sát",
    "Kết quả khảo sát|Phiếu khảo sát|Khảo sát hiện trạng|Hiện trạng",
    (
        *shared(),
        day("surveyed_on", "Ngày khảo sát", required=True),
        Column(
            "by",
            "Đơn vị khảo sát",
            "Người khảo sát|Đơn vị tham gia khảo sát|Thành phần khảo sát|Bên khảo sát",
            values.some_of(words.PARTIES),
            required=True,
            advice=f"Một hoặc nhiều: {'; '.join(words.PARTIES.labels)}. Không ghi tên người",
        ),
        chosen(
            "uplink_kind",
            "Loại đường truyền",
            words.UPLINKS,
            "Đường truyền|Loại đường truyền Internet|Loại hình Internet",
            required=True,
        ),
        Column(
            "uplink_provider",
            "Nhà cung cấp Internet",
            "Nhà mạng|Nhà cung cấp|Nhà cung cấp dịch vụ Internet|ISP",
        ),
        Column(
            "upload_mbps",
            "Tốc độ tải lên (Mbps)",
            "Tốc độ tải lên|Gói cước, tốc độ tải lên (Mbps)|Gói cước, tốc độ tải lên|Upload (Mbps)|Upload"
            "|Băng thông (Mbps)|Băng thông tải lên",
            values.decimal(100_000),
            safe_number,
        ),
        chosen(
            "uplink_address",
            "Loại địa chỉ IP (tĩnh/động/CGNAT)",
            words.UPLINK_ADDRESSES,
            "IP tĩnh/động/CGNAT|IP tĩnh/động|Loại địa chỉ IP|Loại IP",
        ),
        Column("router", "Modem/Router (hãng, model)", "Modem/Router|Modem|Router|Thiết bị mạng|Modem, router"),
        Column(
            "lan",
            "Dải mạng LAN",
            "Mạng LAN|LAN|Dải IP LAN|Dải địa chỉ LAN",
            network,
            safe_number,
            advice="Ví dụ 192.168.1.0/24",
        ),
        chosen("rtsp", "Bật RTSP/ONVIF?", words.RTSP, "RTSP/ONVIF|RTSP|Bật RTSP|ONVIF|Hỗ trợ RTSP/ONVIF"),
        chosen(
            "logins",
            "Đã nhận tài khoản thiết bị?",
            words.LOGINS,
            "Tài khoản thiết bị|Tài khoản camera|Bàn giao tài khoản",
            advice="Chỉ ghi đã nhận hay chưa; mật khẩu gửi riêng, không ghi vào tệp này",
        ),
        number(
            "present", "Số camera hiện có", 10_000, "Tổng số camera|Số camera|Số lượng camera", least=0, required=True
        ),
        number(
            "fit",
            "Số camera đạt yêu cầu",
            10_000,
            "Số camera đạt|Camera đạt yêu cầu|Số camera kết nối được",
            least=0,
            required=True,
        ),
        number(
            "missing",
            "Số camera cần bổ sung",
            10_000,
            "Số camera thiếu|Cần bổ sung|Camera cần bổ sung|Số camera cần lắp thêm",
            least=0,
            required=True,
        ),
        Column(
            "gaps",
            "Khu vực còn thiếu camera",
            "Khu vực thiếu|Khu vực chưa có camera|Khu vực thiếu camera",
            values.some_of(words.ZONES),
            safe_words,
            advice="Một hoặc nhiều khu vực như ở trang Camera, cách nhau bằng dấu chấm phẩy",
        ),
        chosen("verdict", "Đánh giá", words.VERDICTS, "Kết luận|Kết quả|Kết quả đánh giá", required=True),
        Column("obstacles", "Mô tả vướng mắc", "Khó khăn, vướng mắc|Nội dung vướng mắc|Khó khăn"),
        Column("advice", "Kiến nghị", "Đề xuất|Kiến nghị, đề xuất|Đề xuất, kiến nghị"),
        Column(
            "block_reason",
            "Vướng mắc chính (chọn)",
            "Vướng mắc (chọn)|Vướng mắc|Lý do vướng mắc|Lý do chưa kết nối|Vướng mắc chính",
            values.obstacle,
            safe_words,
            words.OBSTACLES,
            advice="Nếu chọn vướng mắc thì ghi cả đơn vị xử lý, việc cần làm và hạn xử lý",
        ),
        chosen("block_owner", "Đơn vị xử lý", words.OWNERS, "Đơn vị chịu trách nhiệm|Đơn vị chủ trì xử lý"),
        day("block_since", "Vướng mắc từ ngày", "Ngày phát sinh", advice="Để trống là ngày khảo sát"),
        Column("block_next", "Việc cần làm", "Biện pháp xử lý|Hướng xử lý|Phương án xử lý"),
        day("block_due", "Hạn xử lý", "Thời hạn xử lý|Thời hạn"),
        Column("note", "Ghi chú", "Note", stored=False, asked=False),
        *PLACES_OF_SITES,
    ),
)
