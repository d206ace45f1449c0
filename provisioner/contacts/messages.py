"""What is said of a field that cannot be read, in English and in Vietnamese. No message holds a value."""

from __future__ import annotations

from typing import NamedTuple

from provisioner.base.language import Language

__all__ = ["CATALOGUE", "Language", "Wording"]


class Wording(NamedTuple):
    """One sentence that says what is wrong, and what to do next."""

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

CATALOGUE: dict[Language, dict[str, Wording]] = {Language.EN: _EN, Language.VI: _VI}
"""Every code in every language."""
