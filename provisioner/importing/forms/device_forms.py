"""The sheets of surveys and of cameras with their recorders."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.importing.forms import choices as words
from provisioner.importing.forms import values
from provisioner.importing.forms.columns import PLACES, Column, Form, Kind, chosen, day, number, shared
from provisioner.importing.forms.networks import address, network, picture_size, rtsp_path
from provisioner.importing.forms.privacy import safe_id, safe_number, safe_words

SURVEYS = Form(
    Kind.SURVEYS,
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
        Column("note", "Ghi chú", "Note", kept=False, asked=False),
        *PLACES,
    ),
)


def _stream(name: str, title: str) -> Iterator[Column]:
    """The columns of one stream; those of no named stream are of tables with a row a stream."""
    suffix, key = (f" luồng {title}", f"{name}_") if name else ("", "")
    asked = bool(name)
    yield Column(
        f"{key}size",
        f"Độ phân giải{suffix}",
        "" if name else "Phân giải",
        picture_size,
        safe_number,
        asked=asked,
    )
    yield number(f"{key}fps", f"Khung hình/giây{suffix}", 120, f"FPS{suffix}|Số khung hình/giây{suffix}", asked=asked)
    yield chosen(
        f"{key}codec", f"Chuẩn nén{suffix}", words.CODECS, f"Codec{suffix}|Chuẩn nén hình ảnh{suffix}", asked=asked
    )
    yield number(
        f"{key}kbps", f"Bitrate{suffix} (kbps)", 100_000, f"Bitrate{suffix}|Tốc độ bit{suffix}", least=16, asked=asked
    )
    yield Column(
        f"{key}rtsp_path",
        f"Đường dẫn RTSP{suffix}",
        f"RTSP path{suffix}",
        rtsp_path,
        asked=asked,
        advice="Chỉ phần sau địa chỉ, bắt đầu bằng /; không có tài khoản, mật khẩu" if name else "",
    )


CAMERAS = Form(
    Kind.CAMERAS,
    "Camera",
    "Danh sách camera|Cameras|Thiết bị|Danh mục camera",
    (
        *shared(),
        Column(
            "camera_id",
            "Mã camera",
            "Mã cam|Mã thiết bị",
            values.identifier,
            safe_id,
            own=True,
            advice="Để trống nếu là camera mới: hệ thống đề xuất mã",
        ),
        Column(
            "location",
            "Vị trí lắp đặt",
            "Tên/Vị trí lắp đặt|Vị trí|Tên camera|Tên/Vị trí|Vị trí lắp camera",
            values.location,
        ),
        Column(
            "zone",
            "Khu vực",
            "Khu vực (chọn)|Khu vực lắp đặt|Khu vực (chọn theo 4403)|Loại khu vực",
            values.zone(words.ZONES),
            safe_words,
            words.ZONES,
            required=True,
            advice="Theo công văn 4403/CV-BCĐ; không lắp trong phòng ở, nhà tắm, nhà vệ sinh",
        ),
        chosen(
            "device",
            "Loại thiết bị",
            words.DEVICES,
            "Thiết bị",
            advice="Camera IP có địa chỉ riêng; kênh đầu ghi thì ghi mã đầu ghi và kênh số; đầu ghi ghi thành một dòng",
        ),
        chosen("make", "Hãng", words.MAKES, "Hãng sản xuất|Hãng SX|Nhãn hiệu"),
        Column("model", "Model", "Kiểu|Mẫu|Mã sản phẩm|Chủng loại"),
        Column("serial", "Số sê-ri", "Serial|Số serial|S/N", kept=False, asked=False),
        Column("recorder_id", "Mã đầu ghi", "Đầu ghi|Mã NVR", values.identifier, safe_id),
        number("channel", "Kênh số", 256, "Kênh|Số kênh|Channel", own=True),
        number(
            "ip_channel",
            "Kênh IP số (đầu ghi lai)",
            256,
            "Kênh IP số|Kênh IP",
            own=True,
            advice="Chỉ với đầu ghi lai: số thứ tự trong các kênh IP; khi đó bỏ trống Kênh số",
        ),
        Column(
            "address",
            "Địa chỉ IP LAN",
            "Địa chỉ IP|IP|IP LAN|IP camera|Địa chỉ IP nội bộ",
            address,
            safe_number,
            own=True,
        ),
        Column("port", "Cổng RTSP", "Port RTSP|Cổng|Port", values.whole(1, 65_535), safe_number),
        number("analog_channels", "Số kênh analog của đầu ghi", 256, "Số kênh analog", least=0),
        number("ip_channels", "Số kênh IP của đầu ghi", 256, "Số kênh IP", least=0),
        *_stream("sub", "phụ"),
        *_stream("main", "chính"),
        chosen("stream", "Luồng (chính/phụ)", words.STREAMS, "Luồng|Stream", asked=False),
        *_stream("", ""),
        Column("audio", "Có âm thanh", "Âm thanh|Thu âm thanh", values.yes_no, safe_words, words.YES_NO),
        Column("note", "Ghi chú", "Note", kept=False, asked=False),
        *PLACES,
    ),
)
