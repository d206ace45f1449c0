"""Readers of personal fields: e-mail addresses, names, phone numbers. Pure.

A reading has a value, problems, or both. Neither shows personal data by accident; no message contains a value. Fields
are read as provinces write them, without network access.

The library for phone numbers is lenient: it drops letters silently, takes `9.04E+08` for a number, and joins separate
ones. So this module checks the form first.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from provisioner.base.errors import Severity
from provisioner.base.language import Language
from provisioner.base.secret import Secret
from provisioner.base.vietnamese import clean, fold, read_legacy

_LONGEST_EMAIL = 320
_NAMED = re.compile(r"[^<>@]*<([^<>]+)>")
MAX_LENGTH = 300  #: The longest text of a field, in characters.

# Categories not allowed in text: controls, surrogates, private use, unassigned.
_FORBIDDEN = frozenset({"Cc", "Cs", "Co", "Cn"})
_REGION = "VN"
_COUNTRY = 84
_LONGEST_PHONE = 80
_MOST_DIGITS = 15  #: E.164's limit, including the country code.
_LEAST_DIGITS = 8

_BETWEEN_PERSONS = re.compile(r"[/;|&+,]|\s[\u2010-\u2015-]\s|(?<!\w)(?:và|hoặc|hay)(?!\w)", re.IGNORECASE)
_OFFICE = re.compile(
    r"(?:văn phòng|phòng|cục|chi cục|trung tâm|trạm|ủy ban|uỷ ban|bệnh viện|trường|công ty|công an|chi nhánh|bộ phận"
    r"|bộ chỉ huy|tổng đài|đường dây nóng|trực ban|bảo vệ|lễ tân|ubnd|bch|bcđ|bql|bgh|ttyt|hotline|nhà trường"
    r"|(?:phó )?(?:hiệu trưởng|giám đốc|chủ tịch)|hiệu phó|trưởng)(?!\w).*",
    re.IGNORECASE,
)
#: These words begin persons' names as well: only with a word in small letters, or in capitals throughout.
_OFFICE_OR_NAME = re.compile(r"(?:ban|sở|bộ|tổ|đội|khoa)\s.*", re.IGNORECASE)
#: Without marks only words that begin no person's name.
_OFFICE_PLAIN = re.compile(
    r"(?:van-phong|phong-(?:y-te|vhtt|hanh-chinh)|trung-tam|uy-ban|ubnd|benh-vien|cong-ty|cong-an|chi-nhanh|hotline)"
    r"(?:-.*)?"
)

_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_DECIMAL_ZERO = re.compile(r"([0-9]{9,})[.,]0")
_BETWEEN_NUMBERS = re.compile(r"[/;|&\n\r]|\b(?:và|hoặc|hay|or|and)\b", re.IGNORECASE)
_GROUPS = re.compile(r"[,\u2010-\u2015-]| {2,}")
_EXTENSION = re.compile(
    r"(?:máy\s*lẻ|máy\s*nhánh|số\s*lẻ|số\s*nhánh|nhánh|lẻ|extension|ext|x|#)[\s.:]*[0-9]{1,6}\s*\)?\s*$", re.IGNORECASE
)
_LETTER_O = re.compile(r"(?<=[0-9 .+])[oOоО]+|[oOоО]+(?=[0-9])")  # noqa: RUF001 (the Cyrillic one looks the same)
_FORM = re.compile(r"[0-9+(). \u2010-\u2015,-]+")

#: Mobile prefixes of 11-digit numbers and their replacements of 2018 (the ministry's numbering plan).
_NEW_PREFIXES = (
    {"120": "70", "121": "79", "122": "77", "126": "76", "128": "78"}  # MobiFone
    | {"123": "83", "124": "84", "125": "85", "127": "81", "129": "82"}  # VinaPhone
    | {f"16{last}": f"3{last}" for last in range(2, 10)}  # Viettel
    | {"186": "56", "188": "58", "199": "59"}  # Vietnamobile, Gmobile
)

_OLD_MOBILE = re.compile(rf"(?:\+?84|0084|0)?({'|'.join(_NEW_PREFIXES)})([0-9]{{7}})")
_PERSONAL = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_SERVICES = frozenset({PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST})


class Wording(NamedTuple):
    """A message and the next step."""

    message: str
    hint: str


_EN: dict[str, Wording] = {
    "text-empty": Wording("nothing is written here", "write it, or leave the field out"),
    "text-not-text": Wording("the value is not a text", "write it as a text"),
    "text-control": Wording("the text has a control character in it", "type the text again"),
    "text-too-long": Wording("the text has more than 300 characters", "shorten it"),
    "text-garbled": Wording(
        "the letters are of an old or wrong encoding (TCVN3, or UTF-8 read as something else)",
        "convert the text to Unicode, or type it again",
    ),
    "text-form": Wording(
        "the text is not in its normal form: spaces too many, invisible characters, or letters and marks apart",
        "type it again, without copying",
    ),
    "name-no-letter": Wording("a name without letters", "look whether the columns are mixed up"),
    "name-several": Wording(
        "the cell names several persons, or a person and something else",
        "write one person a row, and the title into its own column",
    ),
    "name-office": Wording(
        "the cell names an office or a title, not a person", "ask who answers there, and write that person's name"
    ),
    "phone-empty": Wording("there is no phone number", "ask for one; the list has to have it"),
    "phone-not-text": Wording("the phone number is not a text", "format the cell as text and type the number again"),
    "phone-scientific": Wording(
        "the number was shortened to powers of ten, and its last digits are lost",
        "format the column as text and type the number again",
    ),
    "phone-letter-o": Wording("a letter O stands where a zero is meant", "type the number again with zeros"),
    "phone-letters": Wording("there are letters in the phone number", "write the number alone"),
    "phone-signs": Wording(
        "there are signs in the phone number that do not belong to one", "write digits, e.g. 0300 000 001"
    ),
    "phone-extension": Wording(
        "there is an extension after the phone number", "write the number alone; the extension can go into the note"
    ),
    "phone-several": Wording("this is more than one phone number", "keep one; enter a second contact for the other"),
    "phone-old-mobile": Wording(
        "a mobile number of 11 digits: those were replaced by 10 digits in 2018",
        "ask for the number of today; a suggestion is made from the table of 2018",
    ),
    "phone-short": Wording("the phone number is too short", "add what is missing; landlines need their area code"),
    "phone-long": Wording("the phone number is too long", "write one number, with no more than its own digits"),
    "phone-invalid": Wording(
        "no such phone number can exist", "correct it, e.g. 0300 000 001 or +84300000001; area codes changed in 2017"
    ),
    "phone-form": Wording(
        "the phone number is not in the form +84300000001", "write country code and digits, in quotes, without spaces"
    ),
    "phone-service": Wording(
        "a service number (1800, 1900), not a person's", "ask for a number at which the person answers"
    ),
    "phone-unlisted": Wording(
        "a number of an internal network (such as 069 of army and police), which other networks may not reach",
        "ask for a mobile number as well",
    ),
    "phone-foreign": Wording("the phone number is not a Vietnamese one", "ask whether it is right"),
    "email-empty": Wording("there is no e-mail address", "ask for one; the list has to have it"),
    "email-not-text": Wording("the e-mail address is not a text", "write it as a text"),
    "email-several": Wording("this is more than one e-mail address", "keep one; enter a second contact for the other"),
    "email-no-at": Wording("there is no @ in the e-mail address", "write it in full, e.g. name@example.com"),
    "email-comma": Wording("a comma stands in the e-mail address where a dot is meant", "write a dot"),
    "email-dot": Wording("the e-mail address ends or begins with a dot", "take the dot away"),
    "email-spaces": Wording("there is a space in the e-mail address", "take the space away"),
    "email-reserved": Wording(
        "the part after the @ is a name that no mail can reach", "write the address that the person reads"
    ),
    "email-invalid": Wording("this is no e-mail address", "write it in full, e.g. name@example.com"),
    "email-form": Wording(
        "the e-mail address is not in its normal form", "write the part after the @ in small letters"
    ),
    "email-accents": Wording(
        "there are accents in the e-mail address: few mail systems deliver to it", "ask whether it is right"
    ),
}

_VI: dict[str, Wording] = {
    "text-empty": Wording("Ô này để trống", "Điền nội dung, hoặc bỏ qua nếu không bắt buộc"),
    "text-not-text": Wording("Giá trị không phải là văn bản", "Nhập lại dưới dạng văn bản"),
    "text-control": Wording("Nội dung có ký tự điều khiển", "Gõ lại nội dung"),
    "text-too-long": Wording("Nội dung dài quá 300 ký tự", "Rút ngắn lại"),
    "text-garbled": Wording("Chữ bị lỗi mã (TCVN3, hoặc UTF-8 bị đọc sai mã)", "Chuyển sang Unicode, hoặc gõ lại"),
    "text-form": Wording("Nội dung có dấu cách thừa, ký tự ẩn hoặc dấu tách rời chữ", "Gõ lại, không sao chép"),
    "name-no-letter": Wording("Họ tên không có chữ cái nào", "Kiểm tra xem các cột có bị lệch không"),
    "name-several": Wording(
        "Ô ghi nhiều người, hoặc ghi cả nội dung khác cùng họ tên",
        "Ghi mỗi người một dòng; chức danh ghi ở cột Chức danh",
    ),
    "name-office": Wording(
        "Ô ghi tên đơn vị hoặc chức danh, không phải tên người", "Hỏi đơn vị đó người phụ trách là ai rồi ghi họ tên"
    ),
    "phone-empty": Wording("Chưa có số điện thoại", "Bổ sung số điện thoại; danh sách bắt buộc phải có"),
    "phone-not-text": Wording("Số điện thoại không ở dạng văn bản", "Định dạng ô là Text rồi gõ lại số"),
    "phone-scientific": Wording(
        "Số đã bị Excel rút gọn thành dạng lũy thừa, mất các chữ số cuối", "Định dạng cột là Text rồi gõ lại số"
    ),
    "phone-letter-o": Wording("Có chữ O ở chỗ của số 0", "Gõ lại bằng số 0"),
    "phone-letters": Wording("Có chữ cái trong số điện thoại", "Chỉ ghi số điện thoại"),
    "phone-signs": Wording("Có ký tự không thuộc số điện thoại", "Chỉ ghi chữ số, ví dụ 0300 000 001"),
    "phone-extension": Wording("Có số máy lẻ sau số điện thoại", "Chỉ ghi số chính; số máy lẻ ghi vào cột Ghi chú"),
    "phone-several": Wording("Có nhiều hơn một số điện thoại", "Giữ một số; số kia ghi thành một đầu mối khác"),
    "phone-old-mobile": Wording(
        "Số di động 11 chữ số đã được đổi sang 10 chữ số từ năm 2018",
        "Hỏi lại số hiện nay; gợi ý được lập theo bảng chuyển đổi năm 2018",
    ),
    "phone-short": Wording("Số điện thoại thiếu chữ số", "Bổ sung cho đủ; số cố định phải có mã vùng"),
    "phone-long": Wording("Số điện thoại thừa chữ số", "Chỉ ghi một số, đủ chữ số"),
    "phone-invalid": Wording(
        "Không thể có số điện thoại này", "Sửa lại, ví dụ 0300 000 001 hoặc +84300000001; mã vùng đã đổi từ năm 2017"
    ),
    "phone-form": Wording("Số điện thoại chưa ở dạng +84300000001", "Ghi mã nước và chữ số, không có dấu cách"),
    "phone-service": Wording(
        "Số tổng đài (1800, 1900), không phải số của cá nhân", "Hỏi số mà người đó trực tiếp nghe"
    ),
    "phone-unlisted": Wording(
        "Số mạng nội bộ (như 069 của quân đội, công an), mạng khác có thể không gọi được", "Hỏi thêm số di động"
    ),
    "phone-foreign": Wording("Không phải số điện thoại Việt Nam", "Hỏi lại xem có đúng không"),
    "email-empty": Wording("Chưa có thư điện tử", "Bổ sung địa chỉ; danh sách bắt buộc phải có"),
    "email-not-text": Wording("Thư điện tử không ở dạng văn bản", "Nhập lại dưới dạng văn bản"),
    "email-several": Wording(
        "Có nhiều hơn một địa chỉ thư điện tử", "Giữ một địa chỉ; địa chỉ kia ghi thành một đầu mối khác"
    ),
    "email-no-at": Wording("Địa chỉ thư điện tử thiếu ký tự @", "Ghi đầy đủ, ví dụ ten@example.com"),
    "email-comma": Wording("Có dấu phẩy ở chỗ của dấu chấm trong địa chỉ thư điện tử", "Sửa thành dấu chấm"),
    "email-dot": Wording("Địa chỉ thư điện tử có dấu chấm thừa ở đầu hoặc cuối", "Bỏ dấu chấm thừa"),
    "email-spaces": Wording("Có dấu cách trong địa chỉ thư điện tử", "Bỏ dấu cách"),
    "email-reserved": Wording("Tên miền sau @ không nhận được thư", "Ghi địa chỉ mà người đó thường dùng"),
    "email-invalid": Wording("Không phải địa chỉ thư điện tử", "Ghi đầy đủ, ví dụ ten@example.com"),
    "email-form": Wording("Địa chỉ thư điện tử chưa ở dạng chuẩn", "Viết phần sau @ bằng chữ thường"),
    "email-accents": Wording(
        "Địa chỉ thư điện tử có dấu tiếng Việt: ít hệ thống gửi được thư tới đó", "Hỏi lại xem có đúng không"
    ),
}

#: Every code in every language.
FIELD_SENTENCES: dict[Language, dict[str, Wording]] = {Language.EN: _EN, Language.VI: _VI}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A problem of one field."""

    code: str  #: A stable id, e.g. `phone-several`.
    severity: Severity = Severity.ERROR  #: An error leaves no value, a warning leaves one.
    suggestion: Secret | None = None  #: The probable value, for a person to decide; also personal data.

    def wording(self, language: Language = Language.EN) -> Wording:
        """Return message and hint in a language."""
        return FIELD_SENTENCES[language][self.code]


@dataclass(frozen=True, slots=True)
class FieldReading:
    """A masked value in normal form, `None` after an error; and problems."""

    value: Secret | None
    problems: tuple[FieldProblem, ...] = ()


def refused(code: str, suggestion: str | None = None) -> FieldReading:
    """Return the reading of a refused field."""
    return FieldReading(None, (FieldProblem(code, suggestion=Secret(suggestion) if suggestion else None),))


def warning(code: str) -> FieldProblem:
    """Return a problem that keeps the value."""
    return FieldProblem(code, Severity.WARNING)


def visible(text: str) -> str:
    """Return a text without invisible characters, which copied texts contain."""
    characters = (" " if unicodedata.category(c) == "Zs" else c for c in text if unicodedata.category(c) != "Cf")
    return "".join(characters).strip()


# --- e-mail addresses ------------------------------------------------------------------------------
def read_email(value: object) -> FieldReading:
    """Read one address, also `mailto:` or `Name <…>`; lower-case its domain."""
    if value is None:
        return refused("email-empty")
    if not isinstance(value, str):
        return refused("email-not-text")
    text = _bare(visible(unicodedata.normalize("NFKC", value)))
    if not any(c.isalnum() for c in text):
        return refused("email-empty")
    wrong = _email_fault(text)
    if wrong:
        return wrong
    address = _normal_email(text)
    if address is None:
        return refused("email-reserved" if _is_reserved(text) else "email-invalid")
    return FieldReading(Secret(address), () if address.isascii() else (warning("email-accents"),))


def _bare(text: str) -> str:
    named = _NAMED.fullmatch(text)
    return named[1] if named else text.removeprefix("mailto:").strip(" ;,")


def _email_fault(text: str) -> FieldReading | None:
    """Return the error of a text with more than an address."""
    if text.count("@") != 1:
        return refused("email-several" if "@" in text else "email-no-at")
    if re.search(r"[;/|\n\r]", text):
        return refused("email-several")
    mended = {
        "email-spaces": "".join(text.split()),
        "email-comma": text.replace(",", "."),
        "email-dot": text.strip("."),
    }
    return next((refused(code, _normal_email(better)) for code, better in mended.items() if better != text), None)


def _normal_email(text: str) -> str | None:
    if len(text) > _LONGEST_EMAIL:
        return None
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        return None


def _is_reserved(text: str) -> bool:
    domain = text.rpartition("@")[2].casefold()
    return any(domain == name or domain.endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)


# --- lines and names -------------------------------------------------------------------------------
def read_line(value: object) -> FieldReading:
    """Read one line of text: NFC, single spaces. Never raises."""
    if value is None:
        return refused("text-empty")
    if not isinstance(value, str):
        return refused("text-not-text")
    if len(value) > MAX_LENGTH:
        return refused("text-too-long")
    if any(unicodedata.category(c) in _FORBIDDEN and not c.isspace() for c in value):
        return refused("text-control")
    if legacy := read_legacy(value):
        return refused("text-garbled", clean(legacy.reading))
    text = clean(value)
    return FieldReading(Secret(text)) if text else refused("text-empty")


def read_name(value: object) -> FieldReading:
    """Read a person's name: one line with letters. Never raises."""
    reading = read_line(value)
    if reading.value is None:
        return reading
    name = reading.value.reveal()
    if not any(c.isalpha() for c in name):
        return refused("name-no-letter")
    if _is_office(name):
        return FieldReading(reading.value, (warning("name-office"),))
    parts = [part for part in _BETWEEN_PERSONS.split(name) if any(c.isalpha() for c in part)]
    more = len(parts) > 1 or any(map(str.isdigit, name))
    return FieldReading(reading.value, (warning("name-several"),) if more else ())


def _is_office(name: str) -> bool:
    if name.isascii() and _OFFICE_PLAIN.fullmatch(fold(name)):
        return True
    words = [word for word in name.split() if word.isalpha()]
    return bool(_OFFICE.fullmatch(name) or (_OFFICE_OR_NAME.fullmatch(name) and not all(map(str.istitle, words))))


# --- phone numbers ---------------------------------------------------------------------------------
def read_phone(value: object) -> FieldReading:
    """Read one phone number as E.164 (`+84300000001`), with a lost leading zero."""
    text = _as_text(value)
    if text is None:
        return refused("phone-not-text")
    if not any(c.isalnum() for c in text):
        return refused("phone-empty")
    if len(text) > _LONGEST_PHONE:
        return refused("phone-long")
    wrong = _phone_fault(text)
    if wrong:
        return wrong
    number = _valid_number(text)
    if number is None:
        return _refused_number(text)
    return FieldReading(Secret(_e164(number)), tuple(_phone_warnings(number)))


def _as_text(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < 10**20 else None
    if not isinstance(value, str):
        return "" if value is None else None
    # Line breaks separate two numbers in a cell; tabs do not.
    text = visible(unicodedata.normalize("NFKC", value)).replace("\t", " ")
    decimal = _DECIMAL_ZERO.fullmatch(text)
    return decimal[1] if decimal else text


def _phone_fault(text: str) -> FieldReading | None:
    """Return the most specific error of a text beyond one number."""
    if _SCIENTIFIC.fullmatch(text):
        return refused("phone-scientific")
    if _is_several(text):
        return refused("phone-several")
    if extension := _EXTENSION.search(text):
        return refused("phone-extension", _suggestion(text[: extension.start()].rstrip(" (,-")))
    return None if _FORM.fullmatch(text) else _wrong_characters(text)


def _wrong_characters(text: str) -> FieldReading:
    with_zeros = _LETTER_O.sub(lambda letters: "0" * len(letters[0]), text)
    if _FORM.fullmatch(with_zeros):
        return refused("phone-letter-o", _suggestion(with_zeros))
    bare = "".join(c for c in text if c in "0123456789+")
    return refused("phone-letters" if any(c.isalpha() for c in text) else "phone-signs", _suggestion(bare))


def _is_several(text: str) -> bool:
    """Return whether a cell has several numbers, as `0204 3854 12/3` has."""
    if sum(any(c.isdigit() for c in part) for part in _BETWEEN_NUMBERS.split(text)) > 1 or text.count("+") > 1:
        return True
    groups = [part for part in _GROUPS.split(text) if any(c.isdigit() for c in part)]
    return len(groups) > 1 and any(_FORM.fullmatch(part) and _valid_number(part) is not None for part in groups)


def _valid_number(text: str) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text.replace(",", " "), _REGION)  # it stops reading at a comma
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) and not number.extension else None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _suggestion(text: str) -> str | None:
    number = _valid_number(text) if _FORM.fullmatch(text) else None
    return _e164(number) if number else None


def _refused_number(text: str) -> FieldReading:
    digits = re.sub(r"[^0-9+]", "", text)
    if old := _OLD_MOBILE.fullmatch(digits):
        return refused("phone-old-mobile", _suggestion("0" + _NEW_PREFIXES[old[1]] + old[2]))
    count = sum(c.isdigit() for c in digits)
    if count > _MOST_DIGITS:
        return refused("phone-several" if count > _MOST_DIGITS + 1 else "phone-long")
    return refused("phone-short" if count < _LEAST_DIGITS else "phone-invalid")


def _phone_warnings(number: PhoneNumber) -> Iterator[FieldProblem]:
    if number.country_code != _COUNTRY:
        yield warning("phone-foreign")
    kind = phonenumbers.number_type(number)
    if kind in _SERVICES:
        yield warning("phone-service")
    elif kind not in _PERSONAL:
        yield warning("phone-unlisted")
