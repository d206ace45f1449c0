"""The four sheets: facilities, contacts, surveys, cameras. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from provisioner.base import private_text
from provisioner.importing.contacts.fields import read_email, read_line, read_name, read_phone
from provisioner.importing.forms import choices, columns, values
from provisioner.importing.forms.values import CellReading, address, network, picture_size, reading_from, rtsp_path
from provisioner.importing.grid import Cell, error, question


def _stream(name: str, title: str) -> Iterator[columns.Column]:
    """Yield one stream's columns; without a name, those of row-per-stream tables."""
    suffix, key = (f" luồng {title}", f"{name}_") if name else ("", "")
    has_reads = bool(name)
    yield columns.Column(
        f"{key}size",
        f"Độ phân giải{suffix}",
        "" if name else "Phân giải",
        picture_size,
        columns.safe_number,
        asked=has_reads,
    )
    yield columns.number(
        f"{key}fps", f"Khung hình/giây{suffix}", 120, f"FPS{suffix}|Số khung hình/giây{suffix}", asked=has_reads
    )
    yield columns.chosen(
        f"{key}codec",
        f"Chuẩn nén{suffix}",
        choices.CODECS,
        f"Codec{suffix}|Chuẩn nén hình ảnh{suffix}",
        asked=has_reads,
    )
    yield columns.number(
        f"{key}kbps",
        f"Bitrate{suffix} (kbps)",
        100_000,
        f"Bitrate{suffix}|Tốc độ bit{suffix}",
        least=16,
        asked=has_reads,
    )
    yield columns.Column(
        f"{key}rtsp_path",
        f"Đường dẫn RTSP{suffix}",
        f"RTSP path{suffix}",
        rtsp_path,
        asked=has_reads,
        advice="Chỉ phần sau địa chỉ, bắt đầu bằng /; không có tài khoản, mật khẩu" if name else "",
    )


CAMERAS = columns.Form(
    columns.FormKind.CAMERAS,
    "Camera",
    "Danh sách camera|Cameras|Thiết bị|Danh mục camera",
    (
        *columns.shared(),
        columns.Column(
            "camera_id",
            "Mã camera",
            "Mã cam|Mã thiết bị",
            values.identifier,
            columns.safe_id,
            own=True,
            advice="Để trống nếu là camera mới: hệ thống đề xuất mã",
        ),
        columns.Column(
            "location",
            "Vị trí lắp đặt",
            "Tên/Vị trí lắp đặt|Vị trí|Tên camera|Tên/Vị trí|Vị trí lắp camera",
            values.location,
        ),
        columns.Column(
            "zone",
            "Khu vực",
            "Khu vực (chọn)|Khu vực lắp đặt|Khu vực (chọn theo 4403)|Loại khu vực",
            values.zone(choices.ZONES),
            columns.safe_words,
            choices.ZONES,
            required=True,
            advice="Theo công văn 4403/CV-BCĐ; không lắp trong phòng ở, nhà tắm, nhà vệ sinh",
        ),
        columns.chosen(
            "device",
            "Loại thiết bị",
            choices.DEVICES,
            "Thiết bị",
            advice="Camera IP có địa chỉ riêng; kênh đầu ghi thì ghi mã đầu ghi và kênh số; đầu ghi ghi thành một dòng",
        ),
        columns.chosen("make", "Hãng", choices.MAKES, "Hãng sản xuất|Hãng SX|Nhãn hiệu"),
        columns.Column("model", "Model", "Kiểu|Mẫu|Mã sản phẩm|Chủng loại"),
        columns.Column("serial", "Số sê-ri", "Serial|Số serial|S/N", stored=False, asked=False),
        columns.Column("recorder_id", "Mã đầu ghi", "Đầu ghi|Mã NVR", values.identifier, columns.safe_id),
        columns.number("channel", "Kênh số", 256, "Kênh|Số kênh|Channel", own=True),
        columns.number(
            "ip_channel",
            "Kênh IP số (đầu ghi lai)",
            256,
            "Kênh IP số|Kênh IP",
            own=True,
            advice="Chỉ với đầu ghi lai: số thứ tự trong các kênh IP; khi đó bỏ trống Kênh số",
        ),
        columns.Column(
            "address",
            "Địa chỉ IP LAN",
            "Địa chỉ IP|IP|IP LAN|IP camera|Địa chỉ IP nội bộ",
            address,
            columns.safe_number,
            own=True,
        ),
        columns.Column("port", "Cổng RTSP", "Port RTSP|Cổng|Port", values.whole(1, 65_535), columns.safe_number),
        columns.number("analog_channels", "Số kênh analog của đầu ghi", 256, "Số kênh analog", least=0),
        columns.number("ip_channels", "Số kênh IP của đầu ghi", 256, "Số kênh IP", least=0),
        *_stream("sub", "phụ"),
        *_stream("main", "chính"),
        columns.chosen("stream", "Luồng (chính/phụ)", choices.STREAMS, "Luồng|Stream", asked=False),
        *_stream("", ""),
        columns.Column(
            "audio", "Có âm thanh", "Âm thanh|Thu âm thanh", values.yes_no, columns.safe_words, choices.YES_NO
        ),
        columns.Column("note", "Ghi chú", "Note", stored=False, asked=False),
        *columns.PLACES_OF_SITES,
    ),
)


def _name(cell: Cell) -> CellReading:
    """Read a person's name; an office, or several persons, is a question."""
    reading = values.as_shown(cell, reading_from(read_name(_bare(cell))))
    lines = [line for line in cell.text.splitlines() if any(map(str.isalpha, line))]
    codes = [remark.code for remark in reading.remarks] + (["name-several"] if len(lines) > 1 else [])
    asked = tuple(question(code) for code in dict.fromkeys(codes) if code in {"name-several", "name-office"})
    return replace(reading, remarks=asked or reading.remarks)


def _personal_line(cell: Cell) -> CellReading:
    text = values.unquoted(cell.text)
    if private_text.states_login(text):
        return CellReading(None, (error("password-in-text"),))
    return values.as_shown(cell, reading_from(read_line(text)))


def _bare(cell: Cell) -> object:
    return values.unquoted(cell.value) if isinstance(cell.value, str) else cell.value


CONTACTS = columns.Form(
    columns.FormKind.CONTACTS,
    "Đầu mối",
    "Danh sách đầu mối|Đầu mối liên hệ|Danh sách đầu mối liên hệ|Liên hệ|Danh bạ",
    (
        *columns.shared(),
        columns.Column(
            "full_name",
            "Họ và tên",
            "Họ tên|Họ và tên đầu mối|Họ tên đầu mối|Đầu mối|Người đại diện|Đầu mối liên hệ|Người liên hệ|Họ & tên",
            _name,
            own=True,
            required=True,
        ),
        columns.Column(
            "title", "Chức danh", "Chức vụ|Chức vụ, đơn vị|Chức danh/Chức vụ", _personal_line, required=True
        ),
        columns.Column(
            "phone",
            "Số điện thoại",
            "SĐT|Điện thoại|Số ĐT|ĐT|Điện thoại liên hệ|Số điện thoại liên hệ|Di động|Số di động"
            "|Điện thoại di động|SĐT liên hệ",
            lambda cell: reading_from(read_phone(_bare(cell))),
            columns.masked,
            own=True,
            required=True,
            advice="Mỗi người một số, ví dụ 0300 000 001",
        ),
        columns.Column(
            "email",
            "Thư điện tử",
            "Email|E-mail|Địa chỉ email|Địa chỉ thư điện tử|Mail|Hộp thư|Hộp thư điện tử",
            lambda cell: reading_from(read_email(_bare(cell))),
            own=True,
            required=True,
        ),
        columns.chosen("role", "Vai trò", choices.ROLES, "Nhiệm vụ", advice="Để trống là Đại diện cơ sở"),
        columns.day("valid_from", "Từ ngày", "Ngày bắt đầu|Hiệu lực từ", advice="Để trống là ngày nhập"),
        columns.day("valid_to", "Đến ngày", "Ngày kết thúc|Hiệu lực đến"),
        columns.Column("source", "Văn bản cử đầu mối", "Văn bản|Căn cứ|Văn bản cử", _personal_line),
        columns.Column("note", "Ghi chú", "Note", _personal_line),
        *columns.PLACES,
    ),
)


_MILLION = 1_000_000

FACILITIES = columns.Form(
    columns.FormKind.FACILITIES,
    "Cơ sở",
    "Danh sách cơ sở|Cơ sở cách ly|Khu cách ly|Danh sách khu cách ly|Danh sách cơ sở cách ly",
    (
        columns.NUMBER,
        columns.Column(
            "facility_id",
            "Mã cơ sở",
            f"{columns.FACILITY_IDS}|Mã",
            values.site_identifier,
            columns.safe_id,
            own=True,
            advice="Mã đã cấp, không đổi. Chưa có thì để trống: hệ thống đề xuất mã. Để trả lời câu hỏi của hệ thống: "
            "ghi mã của cơ sở đã có, hoặc chữ “mới” nếu là cơ sở khác",
        ),
        columns.Column(
            "province",
            "Tỉnh/Thành phố",
            columns.PROVINCE,
            values.certain,
            columns.safe_words,
            required=True,
            advice="Tên tỉnh, thành phố",
        ),
        columns.Column(
            "province_code",
            "Mã tỉnh",
            "Mã tỉnh/thành phố|Mã địa phương",
            values.certain,
            columns.safe_number,
            asked=False,
        ),
        columns.district(advice="Chỉ ghi nếu địa chỉ có từ trước 01/07/2025; từ đó không còn cấp huyện, để trống"),
        columns.ward(),
        columns.Column(
            "name", "Tên cơ sở", f"{columns.FACILITY_NAMES}|facility_name", values.certain, own=True, required=True
        ),
        columns.chosen("kind", "Loại cơ sở", choices.KINDS, "Loại hình|Loại hình cơ sở|Loại", required=True),
        columns.chosen(
            "managing_body",
            "Cơ quan quản lý",
            choices.BODIES,
            "Đơn vị quản lý|Cấp quản lý|Đơn vị chủ quản|Cơ quan chủ quản",
            required=True,
        ),
        columns.street(advice="Số nhà, đường hoặc thôn, xóm của cơ sở; không ghi địa chỉ của cá nhân"),
        columns.number("people", "Sức chứa (người)", _MILLION, "Sức chứa|Quy mô|Quy mô (người)|Công suất|Số người"),
        columns.number("rooms", "Số phòng", _MILLION),
        columns.number("floors", "Số tầng", 200),
        columns.chosen(
            "operating",
            "Tình trạng hoạt động",
            choices.OPERATING,
            "Tình trạng|Trạng thái|Hiện trạng hoạt động",
            required=True,
        ),
        columns.day(
            "opens_on",
            "Ngày dự kiến hoạt động",
            "Ngày dự kiến mở|Dự kiến hoạt động từ ngày|Ngày dự kiến đón người",
            advice="Ghi khi tình trạng là Đang chuẩn bị: ngày dự kiến đón người cách ly",
        ),
        columns.day("opened_on", "Ngày bắt đầu", "Ngày bắt đầu hoạt động|Ngày mở|Ngày hoạt động"),
        columns.day("closed_on", "Ngày kết thúc", "Ngày kết thúc hoạt động|Ngày đóng|Ngày ngừng hoạt động"),
        columns.day(
            "notice_posted_on", "Ngày niêm yết thông báo có camera", "Ngày niêm yết thông báo|Ngày thông báo có camera"
        ),
        columns.day(
            "connected_on",
            "Đã kết nối từ ngày (theo báo cáo)",
            "Đã kết nối từ ngày|Ngày kết nối|Ngày đã kết nối",
            advice="Chỉ ghi nếu đã kết nối trước khi dùng hệ thống này; ghi cả văn bản báo cáo",
        ),
        columns.Column("claim_source", "Văn bản báo cáo kết nối", "Báo cáo kết nối|Nguồn báo cáo"),
        columns.number(
            "claimed_cameras", "Số camera đã kết nối (theo báo cáo)", 10_000, "Số camera đã kết nối", least=0
        ),
        columns.Column("note", "Ghi chú", "Note", stored=False, asked=False),
    ),
)


SURVEYS = columns.Form(
    columns.FormKind.SURVEYS,
    "Khảo sát",
    "Kết quả khảo sát|Phiếu khảo sát|Khảo sát hiện trạng|Hiện trạng",
    (
        *columns.shared(),
        columns.day("surveyed_on", "Ngày khảo sát", required=True),
        columns.Column(
            "by",
            "Đơn vị khảo sát",
            "Người khảo sát|Đơn vị tham gia khảo sát|Thành phần khảo sát|Bên khảo sát",
            values.some_of(choices.PARTIES),
            required=True,
            advice=f"Một hoặc nhiều: {'; '.join(choices.PARTIES.labels)}. Không ghi tên người",
        ),
        columns.chosen(
            "uplink_kind",
            "Loại đường truyền",
            choices.UPLINKS,
            "Đường truyền|Loại đường truyền Internet|Loại hình Internet",
            required=True,
        ),
        columns.Column(
            "uplink_provider", "Nhà cung cấp Internet", "Nhà mạng|Nhà cung cấp|Nhà cung cấp dịch vụ Internet|ISP"
        ),
        columns.Column(
            "upload_mbps",
            "Tốc độ tải lên (Mbps)",
            "Tốc độ tải lên|Gói cước, tốc độ tải lên (Mbps)|Gói cước, tốc độ tải lên|Upload (Mbps)|Upload"
            "|Băng thông (Mbps)|Băng thông tải lên",
            values.decimal(100_000),
            columns.safe_number,
        ),
        columns.chosen(
            "uplink_address",
            "Loại địa chỉ IP (tĩnh/động/CGNAT)",
            choices.UPLINK_ADDRESSES,
            "IP tĩnh/động/CGNAT|IP tĩnh/động|Loại địa chỉ IP|Loại IP",
        ),
        columns.Column("router", "Modem/Router (hãng, model)", "Modem/Router|Modem|Router|Thiết bị mạng|Modem, router"),
        columns.Column(
            "lan",
            "Dải mạng LAN",
            "Mạng LAN|LAN|Dải IP LAN|Dải địa chỉ LAN",
            network,
            columns.safe_number,
            advice="Ví dụ 192.168.1.0/24",
        ),
        columns.chosen("rtsp", "Bật RTSP/ONVIF?", choices.RTSP, "RTSP/ONVIF|RTSP|Bật RTSP|ONVIF|Hỗ trợ RTSP/ONVIF"),
        columns.chosen(
            "logins",
            "Đã nhận tài khoản thiết bị?",
            choices.LOGINS,
            "Tài khoản thiết bị|Tài khoản camera|Bàn giao tài khoản",
            advice="Chỉ ghi đã nhận hay chưa; mật khẩu gửi riêng, không ghi vào tệp này",
        ),
        columns.number(
            "present", "Số camera hiện có", 10_000, "Tổng số camera|Số camera|Số lượng camera", least=0, required=True
        ),
        columns.number(
            "fit",
            "Số camera đạt yêu cầu",
            10_000,
            "Số camera đạt|Camera đạt yêu cầu|Số camera kết nối được",
            least=0,
            required=True,
        ),
        columns.number(
            "missing",
            "Số camera cần bổ sung",
            10_000,
            "Số camera thiếu|Cần bổ sung|Camera cần bổ sung|Số camera cần lắp thêm",
            least=0,
            required=True,
        ),
        columns.Column(
            "gaps",
            "Khu vực còn thiếu camera",
            "Khu vực thiếu|Khu vực chưa có camera|Khu vực thiếu camera",
            values.some_of(choices.ZONES),
            columns.safe_words,
            advice="Một hoặc nhiều khu vực như ở trang Camera, cách nhau bằng dấu chấm phẩy",
        ),
        columns.chosen("verdict", "Đánh giá", choices.VERDICTS, "Kết luận|Kết quả|Kết quả đánh giá", required=True),
        columns.Column("obstacles", "Mô tả vướng mắc", "Khó khăn, vướng mắc|Nội dung vướng mắc|Khó khăn"),
        columns.Column("advice", "Kiến nghị", "Đề xuất|Kiến nghị, đề xuất|Đề xuất, kiến nghị"),
        columns.Column(
            "block_reason",
            "Vướng mắc chính (chọn)",
            "Vướng mắc (chọn)|Vướng mắc|Lý do vướng mắc|Lý do chưa kết nối|Vướng mắc chính",
            values.obstacle,
            columns.safe_words,
            choices.OBSTACLES,
            advice="Nếu chọn vướng mắc thì ghi cả đơn vị xử lý, việc cần làm và hạn xử lý",
        ),
        columns.chosen("block_owner", "Đơn vị xử lý", choices.OWNERS, "Đơn vị chịu trách nhiệm|Đơn vị chủ trì xử lý"),
        columns.day("block_since", "Vướng mắc từ ngày", "Ngày phát sinh", advice="Để trống là ngày khảo sát"),
        columns.Column("block_next", "Việc cần làm", "Biện pháp xử lý|Hướng xử lý|Phương án xử lý"),
        columns.day("block_due", "Hạn xử lý", "Thời hạn xử lý|Thời hạn"),
        columns.Column("note", "Ghi chú", "Note", stored=False, asked=False),
        *columns.PLACES_OF_SITES,
    ),
)


FORMS = (FACILITIES, CONTACTS, SURVEYS, CAMERAS)
FORM_OF = {form.kind: form for form in FORMS}
#: Keys of several sheets, which do not identify a sheet.
WITHOUT_MEANING = frozenset(
    {"number", "facility_id", "facility_name", "province", "note", "district", "ward", "street"}
)


def most_headers(row: Iterable[str]) -> int:
    """Return the most headers that a row has of one sheet."""
    texts = [text for text in row if text.strip()]
    return max(len({column.key for text in texts if (column := form.find(text))}) for form in FORMS)
