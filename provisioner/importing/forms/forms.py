"""The four sheets: facilities, contacts, surveys, cameras. Pure.

The readers of `contacts` read personal cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provisioner.importing.contacts.fields import read_email, read_line, read_name, read_phone
from provisioner.importing.forms import choices, values
from provisioner.importing.forms.columns import (
    FACILITY_IDS,
    FACILITY_NAMES,
    NUMBER,
    PLACES,
    PLACES_OF_SITES,
    PROVINCE,
    Column,
    Form,
    FormKind,
    chosen,
    day,
    district,
    masked,
    number,
    safe_id,
    safe_number,
    safe_words,
    shared,
    street,
    ward,
)
from provisioner.importing.forms.values import CellReading, address, network, picture_size, reading_from, rtsp_path
from provisioner.importing.grid import Cell


def _stream(name: str, title: str) -> Iterator[Column]:
    """Yield one stream's columns; without a name, those of row-per-stream tables."""
    suffix, key = (f" luồng {title}", f"{name}_") if name else ("", "")
    has_reads = bool(name)
    yield Column(
        f"{key}size", f"Độ phân giải{suffix}", "" if name else "Phân giải", picture_size, safe_number, asked=has_reads
    )
    yield number(
        f"{key}fps", f"Khung hình/giây{suffix}", 120, f"FPS{suffix}|Số khung hình/giây{suffix}", asked=has_reads
    )
    yield chosen(
        f"{key}codec",
        f"Chuẩn nén{suffix}",
        choices.CODECS,
        f"Codec{suffix}|Chuẩn nén hình ảnh{suffix}",
        asked=has_reads,
    )
    yield number(
        f"{key}kbps",
        f"Bitrate{suffix} (kbps)",
        100_000,
        f"Bitrate{suffix}|Tốc độ bit{suffix}",
        least=16,
        asked=has_reads,
    )
    yield Column(
        f"{key}rtsp_path",
        f"Đường dẫn RTSP{suffix}",
        f"RTSP path{suffix}",
        rtsp_path,
        asked=has_reads,
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
            values.zone(choices.ZONES),
            safe_words,
            choices.ZONES,
            required=True,
            advice="Theo công văn 4403/CV-BCĐ; không lắp trong phòng ở, nhà tắm, nhà vệ sinh",
        ),
        chosen(
            "device",
            "Loại thiết bị",
            choices.DEVICES,
            "Thiết bị",
            advice="Camera IP có địa chỉ riêng; kênh đầu ghi thì ghi mã đầu ghi và kênh số; đầu ghi ghi thành một dòng",
        ),
        chosen("make", "Hãng", choices.MAKES, "Hãng sản xuất|Hãng SX|Nhãn hiệu"),
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
        chosen("stream", "Luồng (chính/phụ)", choices.STREAMS, "Luồng|Stream", asked=False),
        *_stream("", ""),
        Column("audio", "Có âm thanh", "Âm thanh|Thu âm thanh", values.yes_no, safe_words, choices.YES_NO),
        Column("note", "Ghi chú", "Note", stored=False, asked=False),
        *PLACES_OF_SITES,
    ),
)


def _name(cell: Cell) -> CellReading:
    return reading_from(read_name(_bare(cell)))


def _personal_line(cell: Cell) -> CellReading:
    return reading_from(read_line(values.unquoted(cell.text)))


def _phone(cell: Cell) -> CellReading:
    return reading_from(read_phone(_bare(cell)))


def _email(cell: Cell) -> CellReading:
    return reading_from(read_email(_bare(cell)))


def _bare(cell: Cell) -> object:
    return values.unquoted(cell.value) if isinstance(cell.value, str) else cell.value


CONTACTS = Form(
    FormKind.CONTACTS,
    "Đầu mối",
    "Danh sách đầu mối|Đầu mối liên hệ|Danh sách đầu mối liên hệ|Liên hệ|Danh bạ",
    (
        *shared(),
        Column(
            "full_name",
            "Họ và tên",
            "Họ tên|Họ và tên đầu mối|Họ tên đầu mối|Đầu mối|Người đại diện|Đầu mối liên hệ|Người liên hệ|Họ & tên",
            _name,
            own=True,
            required=True,
        ),
        Column("title", "Chức danh", "Chức vụ|Chức vụ, đơn vị|Chức danh/Chức vụ", _personal_line, required=True),
        Column(
            "phone",
            "Số điện thoại",
            "SĐT|Điện thoại|Số ĐT|ĐT|Điện thoại liên hệ|Số điện thoại liên hệ|Di động|Số di động"
            "|Điện thoại di động|SĐT liên hệ",
            _phone,
            masked,
            own=True,
            required=True,
            advice="Mỗi người một số, ví dụ 0300 000 001",
        ),
        Column(
            "email",
            "Thư điện tử",
            "Email|E-mail|Địa chỉ email|Địa chỉ thư điện tử|Mail|Hộp thư|Hộp thư điện tử",
            _email,
            own=True,
            required=True,
        ),
        chosen("role", "Vai trò", choices.ROLES, "Nhiệm vụ", advice="Để trống là Đại diện cơ sở"),
        day("valid_from", "Từ ngày", "Ngày bắt đầu|Hiệu lực từ", advice="Để trống là ngày nhập"),
        day("valid_to", "Đến ngày", "Ngày kết thúc|Hiệu lực đến"),
        Column("source", "Văn bản cử đầu mối", "Văn bản|Căn cứ|Văn bản cử", _personal_line),
        Column("note", "Ghi chú", "Note", _personal_line),
        *PLACES,
    ),
)


_MILLION = 1_000_000

FACILITIES = Form(
    FormKind.FACILITIES,
    "Cơ sở",
    "Danh sách cơ sở|Cơ sở cách ly|Khu cách ly|Danh sách khu cách ly|Danh sách cơ sở cách ly",
    (
        NUMBER,
        Column(
            "facility_id",
            "Mã cơ sở",
            f"{FACILITY_IDS}|Mã",
            values.site_identifier,
            safe_id,
            own=True,
            advice="Mã đã cấp, không đổi. Chưa có thì để trống: hệ thống đề xuất mã. Để trả lời câu hỏi của hệ thống: "
            "ghi mã của cơ sở đã có, hoặc chữ “mới” nếu là cơ sở khác",
        ),
        Column(
            "province",
            "Tỉnh/Thành phố",
            PROVINCE,
            values.certain,
            safe_words,
            required=True,
            advice="Tên tỉnh, thành phố",
        ),
        Column("province_code", "Mã tỉnh", "Mã tỉnh/thành phố|Mã địa phương", values.certain, safe_number, asked=False),
        district(advice="Chỉ ghi nếu địa chỉ có từ trước 01/07/2025; từ đó không còn cấp huyện, để trống"),
        ward(),
        Column("name", "Tên cơ sở", f"{FACILITY_NAMES}|facility_name", values.certain, own=True, required=True),
        chosen("kind", "Loại cơ sở", choices.KINDS, "Loại hình|Loại hình cơ sở|Loại", required=True),
        chosen(
            "managing_body",
            "Cơ quan quản lý",
            choices.BODIES,
            "Đơn vị quản lý|Cấp quản lý|Đơn vị chủ quản|Cơ quan chủ quản",
            required=True,
        ),
        street(advice="Số nhà, đường hoặc thôn, xóm của cơ sở; không ghi địa chỉ của cá nhân"),
        number("people", "Sức chứa (người)", _MILLION, "Sức chứa|Quy mô|Quy mô (người)|Công suất|Số người"),
        number("rooms", "Số phòng", _MILLION),
        number("floors", "Số tầng", 200),
        chosen(
            "operating",
            "Tình trạng hoạt động",
            choices.OPERATING,
            "Tình trạng|Trạng thái|Hiện trạng hoạt động",
            required=True,
        ),
        day(
            "opens_on",
            "Ngày dự kiến hoạt động",
            "Ngày dự kiến mở|Dự kiến hoạt động từ ngày|Ngày dự kiến đón người",
            advice="Ghi khi tình trạng là Đang chuẩn bị: ngày dự kiến đón người cách ly",
        ),
        day("opened_on", "Ngày bắt đầu", "Ngày bắt đầu hoạt động|Ngày mở|Ngày hoạt động"),
        day("closed_on", "Ngày kết thúc", "Ngày kết thúc hoạt động|Ngày đóng|Ngày ngừng hoạt động"),
        day(
            "notice_posted_on", "Ngày niêm yết thông báo có camera", "Ngày niêm yết thông báo|Ngày thông báo có camera"
        ),
        Column("note", "Ghi chú", "Note", stored=False, asked=False),
    ),
)


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
            values.some_of(choices.PARTIES),
            required=True,
            advice=f"Một hoặc nhiều: {'; '.join(choices.PARTIES.labels)}. Không ghi tên người",
        ),
        chosen(
            "uplink_kind",
            "Loại đường truyền",
            choices.UPLINKS,
            "Đường truyền|Loại đường truyền Internet|Loại hình Internet",
            required=True,
        ),
        Column("uplink_provider", "Nhà cung cấp Internet", "Nhà mạng|Nhà cung cấp|Nhà cung cấp dịch vụ Internet|ISP"),
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
            choices.UPLINK_ADDRESSES,
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
        chosen("rtsp", "Bật RTSP/ONVIF?", choices.RTSP, "RTSP/ONVIF|RTSP|Bật RTSP|ONVIF|Hỗ trợ RTSP/ONVIF"),
        chosen(
            "logins",
            "Đã nhận tài khoản thiết bị?",
            choices.LOGINS,
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
            values.some_of(choices.ZONES),
            safe_words,
            advice="Một hoặc nhiều khu vực như ở trang Camera, cách nhau bằng dấu chấm phẩy",
        ),
        chosen("verdict", "Đánh giá", choices.VERDICTS, "Kết luận|Kết quả|Kết quả đánh giá", required=True),
        Column("obstacles", "Mô tả vướng mắc", "Khó khăn, vướng mắc|Nội dung vướng mắc|Khó khăn"),
        Column("advice", "Kiến nghị", "Đề xuất|Kiến nghị, đề xuất|Đề xuất, kiến nghị"),
        Column(
            "block_reason",
            "Vướng mắc chính (chọn)",
            "Vướng mắc (chọn)|Vướng mắc|Lý do vướng mắc|Lý do chưa kết nối|Vướng mắc chính",
            values.obstacle,
            safe_words,
            choices.OBSTACLES,
            advice="Nếu chọn vướng mắc thì ghi cả đơn vị xử lý, việc cần làm và hạn xử lý",
        ),
        chosen("block_owner", "Đơn vị xử lý", choices.OWNERS, "Đơn vị chịu trách nhiệm|Đơn vị chủ trì xử lý"),
        day("block_since", "Vướng mắc từ ngày", "Ngày phát sinh", advice="Để trống là ngày khảo sát"),
        Column("block_next", "Việc cần làm", "Biện pháp xử lý|Hướng xử lý|Phương án xử lý"),
        day("block_due", "Hạn xử lý", "Thời hạn xử lý|Thời hạn"),
        Column("note", "Ghi chú", "Note", stored=False, asked=False),
        *PLACES_OF_SITES,
    ),
)


FORMS = (FACILITIES, CONTACTS, SURVEYS, CAMERAS)
FORM_OF = {form.kind: form for form in FORMS}
WITHOUT_MEANING = frozenset(
    {"number", "facility_id", "facility_name", "province", "note", "district", "ward", "street"}
)
"""Keys of several sheets, which do not identify a sheet."""


def most_headers(row: Iterable[str]) -> int:
    """Return the most headers that a row has of one sheet."""
    texts = [text for text in row if text.strip()]
    return max(len({column.key for text in texts if (column := form.find(text))}) for form in FORMS)
