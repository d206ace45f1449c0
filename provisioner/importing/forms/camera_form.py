"""The sheet of cameras and recorders."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.importing.forms import choices as words
from provisioner.importing.forms import values
from provisioner.importing.forms.columns import PLACES_OF_SITES, Column, Form, FormKind, chosen, number, shared
from provisioner.importing.forms.networks import address, picture_size, rtsp_path
from provisioner.importing.forms.privacy import safe_id, safe_number, safe_words


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
    FormKind.CAMERAS,
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
        Column("serial", "Số sê-ri", "Serial|Số serial|S/N", stored=False, asked=False),
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
        Column("note", "Ghi chú", "Note", stored=False, asked=False),
        *PLACES_OF_SITES,
    ),
)
