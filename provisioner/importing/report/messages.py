"""Sentences of findings in both languages, which never repeat a cell. Pure."""

import re
from collections.abc import Mapping

from provisioner.base.language import Language, translator
from provisioner.importing.contacts.fields import FIELD_SENTENCES, Wording
from provisioner.importing.forms.forms import FORMS
from provisioner.importing.grid import FindingLevel, Remark
from provisioner.inventory.explanation.value_words import VALUE_WORDS
from provisioner.inventory.model.facility import BlockOwner, BlockReason, Operating

_AS_TEXT_EN = "format the column as Text, then type the value again"

ENGLISH: dict[str, Wording] = {
    # the file
    "file-missing": Wording("there is no such file", "correct its name"),
    "file-unreadable": Wording("the file cannot be read: {cause}", "correct its permissions"),
    "file-not-regular": Wording("this is no ordinary file", "name an .xlsx or .csv file"),
    "file-empty": Wording("the file is empty", "ask for it again"),
    "file-too-large": Wording("the file, or what it unpacks to, is larger than {limit} MB", "split it by districts"),
    "file-too-many-rows": Wording(
        "there is data below row {limit}, the last one that is read", "delete what is no data, or split the sheet"
    ),
    "file-too-many-columns": Wording(
        "there is data right of column {limit}, the last one that is read", "delete what is no data, or split the sheet"
    ),
    "file-too-many-cells": Wording("the file has more than {limit} filled or merged cells", "split it by districts"),
    "file-too-many-sheets": Wording("the file has more than {limit} sheets", "delete those that are not needed"),
    "file-damaged": Wording(
        "the file is damaged: it cannot be unpacked or understood", "open it in Excel and save it anew as .xlsx"
    ),
    "file-encrypted": Wording(
        "the file is closed with a password", "open it and save it without one; send passwords another way"
    ),
    "file-macros": Wording("the workbook holds macros", "save it as Excel Workbook (.xlsx), without macros"),
    "file-xls": Wording("this is an Excel file of before 2007 (.xls)", "save it as Excel Workbook (.xlsx)"),
    "file-xlsb": Wording("this is a binary workbook (.xlsb)", "save it as Excel Workbook (.xlsx)"),
    "file-ods": Wording("this is an OpenDocument file (.ods)", "save it as Excel Workbook (.xlsx)"),
    "file-strict": Wording("the workbook is in the form Strict Open XML", "save it as Excel Workbook (.xlsx)"),
    "file-html": Wording("this is a web page or XML with the name of a table", "save it as Excel Workbook (.xlsx)"),
    "file-not-sheet": Wording("this is no spreadsheet", "send an .xlsx or .csv file"),
    "file-encoding": Wording(
        "the text is in the encoding {encoding}", "save it as Excel Workbook (.xlsx) with a Unicode font, or CSV UTF-8"
    ),
    "file-encoding-unknown": Wording("the text is not Unicode", "save it as Excel Workbook (.xlsx) or CSV UTF-8"),
    "file-quotes": Wording("near row {row} a quote does not close", "save the file anew as .xlsx"),
    # a server
    "dcim-unreachable": Wording(
        "the server cannot be asked: {cause}", "see address and filter in the mapping, and the token"
    ),
    "dcim-odd": Wording(
        "the server answers what no NetBox or Nautobot does",
        "see that the address in the mapping is its own, without /api",
    ),
    "dcim-too-many": Wording(
        "the server has more than {limit} of them", "choose some of them with filter in the mapping"
    ),
    "dcim-incomplete": Wording(
        "the server counts {count} objects of this list, and sent {read}: none of them was read",
        "import again when the list is not being changed; if it stays so, raise MAX_PAGE_SIZE at the server",
    ),
    # the sheet
    "header-missing": Wording(
        "no header was found: in the first 20 rows there is none with three known columns",
        "put the header of the template above the table",
    ),
    "sheet-encoding": Wording("the text is in the encoding {encoding}", "convert it to Unicode, e.g. with UniKey"),
    "sheet-ignored": Wording("the sheet has no known header: it was not read", "nothing, if it is no table"),
    "sheet-hidden": Wording("the sheet is hidden: it was not read", "unhide it, or delete it"),
    "template-version": Wording(
        "the sheet is of another version of the template",
        "take the template anew; this program reads version {version}",
    ),
    # columns
    "column-password": Wording(
        "this column asks for passwords: no password may stand in this file",
        "delete the column; passwords go by a channel of their own. Change those that were sent with this file",
    ),
    "column-duplicate": Wording("the column {header} is there twice", "keep one"),
    "column-unknown": Wording(
        "the column is not known: it was not read", "nothing, or give it a header of the template"
    ),
    "column-nameless": Wording("the column has data and no header: it was not read", "give it a header, or delete it"),
    "column-elsewhere": Wording("the column belongs to the sheet {sheet}: it was not read here", "move it there"),
    "column-not-kept": Wording("the column is known, and the inventory does not keep it", "nothing"),
    "column-hidden": Wording("the column is hidden; it was read", "look whether it is meant to be read"),
    "column-missing": Wording("the column {column} is missing: new entries need it", "add it with its values"),
    # rows
    "row-hidden": Wording("the row is hidden: it was not read", "unhide it, or delete it"),
    "row-example": Wording(
        "the row is marked as the example, and holds something else: it was not read",
        "write a number over {mark}, or delete the row",
    ),
    "row-total": Wording("a row of sums: left out", "nothing"),
    "row-section": Wording("a heading within the table: left out", "nothing"),
    "row-signature": Wording("a line of signatures below the table: left out", "nothing"),
    "row-outside": Wording("a row below the table with little in it: it was not read", "if it is data, close the gap"),
    "row-duplicate": Wording("this is the same as in row {row}", "keep one of the two"),
    "device-duplicate": Wording(
        "row {row} names a device at this place already",
        "if it is one device, keep one row; if they are two, write into each row its own address, port or channel",
    ),
    "site-duplicate": Wording(
        "this is the same as in row {row}: province, district, ward, street and name, or the id",
        "if it is one site, keep one row; if they are two, write into both rows what tells them apart",
    ),
    "row-contradicts": Wording("this differs from row {row}, which is about the same camera", "correct one of the two"),
    # cells
    "cell-struck": Wording(
        "text of this row is crossed out: does the row still hold?",
        "if it does, remove the line through it; if not, delete the row, or write “Đã đóng” or Đến ngày into it",
    ),
    "comment-changes": Wording(
        "a comment on this cell may close or change the row",
        "write what it says into the row's cells, then delete the comment",
    ),
    "note-changes": Wording(
        "the column is not read, and this cell may close or change the row",
        "write what it says into the row's columns, then empty the cell",
    ),
    "comment-unread": Wording("the cell has a comment: it was not read", "if it matters, write it into a cell"),
    "text-direction": Wording(
        "the text has characters that turn the order of its letters: people see another text than programs read",
        "type it again, without copying",
    ),
    "text-hidden": Wording(
        "the text has invisible characters ({characters}): it was read without them", "nothing, if the words are right"
    ),
    "text-doubtful": Wording(
        "the cell says of itself that it is not certain: nothing of it is taken", "ask, then write it without doubt"
    ),
    "place-none": Wording("read as: there is none", "nothing"),
    "required-missing": Wording("{column} is missing", "fill it in"),
    "formula-no-value": Wording(
        "the cell holds a formula without a result", "open the file in Excel and save it, or type the value"
    ),
    "cell-broken": Wording("the cell holds an error of Excel (such as #REF! or #N/A)", "type the value"),
    "cell-merged": Wording(
        "the cell is merged with the one above, but each row has its own value here", "unmerge, and fill in each row"
    ),
    "ditto-own": Wording("“as above” stands where each row has its own value", "write the value"),
    "ditto-nothing": Wording("“as above” stands below an empty cell", "write the value"),
    "text-encoding": Wording(
        "the text is in the encoding {encoding}", "convert it to Unicode, e.g. with UniKey, or type it again"
    ),
    "password-in-text": Wording(
        "the text says what a password or login is",
        "take it out and send it by its own channel; if it is one, change it. If it is none, write it another way",
    ),
    "text-like-a-password": Wording(
        "a word of the text is made like a password: letters, digits and signs together",
        "take it out if it is one, and change it on the device; otherwise write it without the signs",
    ),
    "markup-in-text": Wording(
        "the text holds markup (<…>) or a formula, which no name and no place has", "write it in plain words"
    ),
    "personal-in-text": Wording(
        "the text holds a phone number or an e-mail address", "move it to the sheet Đầu mối, where it is kept encrypted"
    ),
    "id-number": Wording("a number stands where an id is expected", _AS_TEXT_EN),
    "id-form": Wording("an id has letters without accents, digits and hyphens", "write it like kcl-bg-001"),
    "number-form": Wording("this is no number", "write digits alone"),
    "number-unit": Wording(
        "the number has another unit than the column", "convert it, then write digits alone: 1 Gbps is 1000 Mbps"
    ),
    "number-day": Wording("Excel made a date of this number", _AS_TEXT_EN),
    "number-several": Wording("these are several numbers, or from … to", "write one number"),
    "number-not-whole": Wording("this is no whole number", "if a point was meant to group thousands, leave it out"),
    "number-ambiguous": Wording(
        "a point or comma before three digits: thousands, or a fraction?",
        "write it without, or with one digit behind it",
    ),
    "number-range": Wording("the number has to be between {least} and {most}", "correct it"),
    "number-grouped": Wording("read as {number}: points or commas group thousands", "nothing, if that is right"),
    "day-form": Wording("this is no date", "write day/month/year, e.g. 07/05/2021"),
    "day-short-year": Wording("the year has two digits", "write it with four, e.g. 07/05/2021"),
    "day-order": Wording("there is no such month: day and month are changed over", "write day/month/year"),
    "day-unreal": Wording("there is no such day, or it is out of the question", "correct it"),
    "day-serial": Wording("a number stands for the date; read as {day}", "nothing, if that is right"),
    "address-form": Wording("this is no IPv4 address", "write four numbers, e.g. 192.168.1.64"),
    "address-number": Wording("Excel made a number of the address", _AS_TEXT_EN),
    "address-port": Wording("address and port stand in one cell", "write the port into the column Cổng RTSP"),
    "address-zeros": Wording("a number of the address begins with a zero", "leave the zeros out"),
    "address-public": Wording("the address is not one of a LAN", "write the camera's address inside the site"),
    "network-form": Wording("this is no network", "write it like 192.168.1.0/24"),
    "network-host": Wording("this is an address in the network, not the network", "if {network} is meant, write that"),
    "size-form": Wording(
        "this is no size of a picture, or one that can mean several", "write width x height, e.g. 1920x1080"
    ),
    "rtsp-path-form": Wording("this is no RTSP path", "write what follows host and port, from the first / on"),
    "choice-unknown": Wording("this word is not in the list", "choose from the template's list: {allowed}"),
    "zone-forbidden": Wording(
        "a camera may not look into a room, toilet or bath (order 4403/CV-BCĐ)", "move the camera, or leave it out"
    ),
    "location-room": Wording("the place sounds like the inside of a room or bath", "ask: order 4403/CV-BCĐ forbids it"),
    # provinces and facilities
    "province-unknown": Wording("this is no province of the list {scheme}", "write its name in full"),
    "province-similar": Wording("this is no province of the list {scheme}", "is one of these meant? {similar}"),
    "province-merged": Wording(
        "this is no province of the list {scheme}; in {older} it is {old}, whose territory is in {now} today",
        "write the province of today, or the id of a facility that was registered before",
    ),
    "province-contradiction": Wording(
        "name and code disagree: by {scheme} the name is {name}, the code {coded}", "correct one of the two"
    ),
    "facility-unknown": Wording("there is no such facility", "correct id or name, or enter it on the sheet Cơ sở"),
    "facility-missing": Wording(
        "the row does not say which facility it is about", "write Mã cơ sở or Tên cơ sở in each row"
    ),
    "facility-asked": Wording("waits for the answer to the question about row {row}", "answer the question first"),
    "facility-elsewhere": Wording(
        "{facility} is in another district",
        "correct the id; if its own file is wrong, correct `location.district` there",
    ),
    "facility-moved": Wording("{facility} is in another ward so far", "look whether the id is right"),
    "new-is-there": Wording(
        "called new, and there already as {facility}: province, district, ward, street and name are the same",
        "write that id; if it is another site, write what tells them apart: Xã/Phường, Địa chỉ",
    ),
    "facility-ambiguous": Wording("several facilities have this name: {facilities}", "write Mã cơ sở"),
    "facility-unreadable": Wording(
        "the file of {facility} has errors", "run `provisioner validate` and correct it first"
    ),
    "facility-row-bad": Wording("the facility's own row has errors or waits for an answer", "settle that row first"),
    "facility-province": Wording(
        "{facility} is in {province}; a province is fixed at registration", "correct id or province"
    ),
    "facility-matched": Wording(
        "no id: known as {facility} by all that the row says of its place and name", "write the id into the sheet"
    ),
    "facility-name-differs": Wording("{facility} has another name", "look whether the id is right"),
    "facility-leaves-hosts": Wording(
        "{facility} is carried by hosts: once this is applied they carry it no longer", "nothing, if that is meant"
    ),
    "facility-renamed": Wording("{facility} has another name so far", "look whether the id is right"),
    "id-proposed": Wording("new: it gets the id {facility}", "write the id into the sheet; it never changes"),
    "id-retired": Wording("{facility} is the id of a facility that was closed and removed", "leave the id empty"),
    "capacity-people": Wording("rooms or floors are given, but not for how many people", "fill in Sức chứa"),
    # surveys
    "survey-older": Wording("there is a later survey already, of {day}", "leave the row out, or correct the day"),
    "survey-newer": Wording("replaces the survey of {day}", "nothing"),
    "lan-not-kept": Wording(
        "there is no gateway yet to keep the LAN with; addresses are checked against it", "nothing"
    ),
    "block-incomplete": Wording("an obstacle needs more: {columns}", "fill it in"),
    "block-stands": Wording(
        "the inventory still has an obstacle", "if it is solved, take `blocked` out of the facility's file"
    ),
    # devices
    "device-contradiction": Wording(
        "an IP camera has no recorder and no channel", "correct Loại thiết bị, or empty the cell"
    ),
    "device-id-taken": Wording("{device} is a recorder of this facility", "give the camera another id"),
    "column-not-of-recorder": Wording("a recorder has no such value: it was not read", "empty the cell"),
    "recorder-unnamed": Wording("the channel's recorder is not named", "write Mã đầu ghi, or its address"),
    "recorder-not-there": Wording(
        "the facility has no such recorder", "correct the id, or give the recorder a row of its own"
    ),
    "recorder-differs": Wording(
        "recorder {recorder} has another value", "correct it, or change it in the recorder's own row"
    ),
    "channel-twice": Wording("both Kênh số and Kênh IP số are filled in", "keep one"),
    # contacts
    "title-missing": Wording("there is no title", "ask for it; the list has to have it"),
    "contact-days": Wording("the last day is before the first", "correct one of the two"),
    "contact-of-closed": Wording("the facility is closed: its contacts are to be removed", "leave the row out"),
    "contact-not-in-sheet": Wording(
        "{facility} has a current representative who is not on this list",
        "if the duty is over, write Đến ngày, or remove the contact",
    ),
    "contacts-password": Wording(
        "contacts of {province} are written with a password of their own, and none is set for contacts-{province}",
        "before --write add contacts-{province}@FILE to ANSIBLE_VAULT_IDENTITY_LIST",
    ),
    "contacts-not-compared": Wording(
        "contacts could not be compared with those of {province}: {cause}", "to write them the password is needed"
    ),
    # what follows
    "sign-off-needed": Wording(
        "{facility}: what {parties} signed changes",
        "after writing let them agree, then run `provisioner sign-off {facility} …`",
    ),
    "file-cannot-be-edited": Wording("the file of {facility} cannot be edited: {cause}", "edit it by hand"),
    "value-refused": Wording("{where} cannot take this value", "correct it"),
}


_AS_TEXT_VI = "Định dạng cột là Text rồi gõ lại"

VIETNAMESE: dict[str, Wording] = {
    # the file
    "file-missing": Wording("Không có tệp này", "Kiểm tra lại tên tệp"),
    "file-unreadable": Wording("Không đọc được tệp: {cause}", "Kiểm tra quyền truy cập tệp"),
    "file-not-regular": Wording("Đây không phải là tệp thông thường", "Chọn tệp .xlsx hoặc .csv"),
    "file-empty": Wording("Tệp trống", "Yêu cầu gửi lại"),
    "file-too-large": Wording("Tệp (hoặc nội dung giải nén) lớn hơn {limit} MB", "Tách theo quận, huyện"),
    "file-too-many-rows": Wording(
        "Có dữ liệu dưới dòng {limit} là dòng cuối được đọc", "Xóa phần thừa hoặc tách trang tính"
    ),
    "file-too-many-columns": Wording(
        "Có dữ liệu bên phải cột thứ {limit} là cột cuối được đọc", "Xóa phần thừa hoặc tách trang tính"
    ),
    "file-too-many-cells": Wording("Tệp có hơn {limit} ô dữ liệu hoặc ô gộp", "Tách theo quận, huyện"),
    "file-too-many-sheets": Wording("Tệp có hơn {limit} trang tính", "Xóa các trang không cần thiết"),
    "file-damaged": Wording("Tệp hỏng: không giải nén hoặc không đọc được", "Mở bằng Excel rồi lưu lại thành .xlsx"),
    "file-encrypted": Wording(
        "Tệp được đặt mật khẩu", "Mở ra và lưu lại không có mật khẩu; mật khẩu gửi theo cách khác"
    ),
    "file-macros": Wording("Tệp có chứa macro", "Lưu lại dạng Excel Workbook (.xlsx), không có macro"),
    "file-xls": Wording("Tệp Excel đời cũ (.xls, trước 2007)", "Lưu lại dạng Excel Workbook (.xlsx)"),
    "file-xlsb": Wording("Tệp Excel nhị phân (.xlsb)", "Lưu lại dạng Excel Workbook (.xlsx)"),
    "file-ods": Wording("Tệp OpenDocument (.ods)", "Lưu lại dạng Excel Workbook (.xlsx)"),
    "file-strict": Wording("Tệp ở dạng Strict Open XML", "Lưu lại dạng Excel Workbook (.xlsx)"),
    "file-html": Wording("Đây là trang web hoặc XML mang tên bảng tính", "Lưu lại dạng Excel Workbook (.xlsx)"),
    "file-not-sheet": Wording("Đây không phải là bảng tính", "Gửi tệp .xlsx hoặc .csv"),
    "file-encoding": Wording(
        "Chữ ở bảng mã {encoding}", "Chuyển sang Unicode rồi lưu dạng Excel Workbook (.xlsx) hoặc CSV UTF-8"
    ),
    "file-encoding-unknown": Wording("Chữ không phải Unicode", "Lưu lại dạng Excel Workbook (.xlsx) hoặc CSV UTF-8"),
    "file-quotes": Wording("Gần dòng {row} có dấu nháy kép không đóng", "Lưu lại thành .xlsx"),
    # máy chủ
    "dcim-unreachable": Wording("Không hỏi được máy chủ: {cause}", "Xem địa chỉ và filter trong tệp ánh xạ, và token"),
    "dcim-odd": Wording(
        "Máy chủ trả lời không như NetBox hay Nautobot", "Xem địa chỉ trong tệp ánh xạ có đúng không, không kèm /api"
    ),
    "dcim-too-many": Wording("Máy chủ có hơn {limit} mục", "Chọn bớt bằng filter trong tệp ánh xạ"),
    "dcim-incomplete": Wording(
        "Máy chủ báo danh sách này có {count} mục nhưng chỉ gửi {read} mục: không nhập mục nào",
        "Nhập lại khi không ai sửa danh sách; nếu vẫn vậy, tăng MAX_PAGE_SIZE trên máy chủ",
    ),
    # the sheet
    "header-missing": Wording(
        "Không tìm thấy dòng tiêu đề: 20 dòng đầu không có dòng nào có từ ba cột quen biết trở lên",
        "Đặt dòng tiêu đề của mẫu lên trên bảng",
    ),
    "sheet-encoding": Wording("Chữ ở bảng mã {encoding}", "Chuyển sang Unicode, ví dụ bằng UniKey"),
    "sheet-ignored": Wording(
        "Trang tính không có dòng tiêu đề quen biết: không đọc", "Không cần sửa nếu không phải bảng dữ liệu"
    ),
    "sheet-hidden": Wording("Trang tính đang ẩn: không đọc", "Bỏ ẩn hoặc xóa trang"),
    "template-version": Wording(
        "Trang tính thuộc phiên bản mẫu khác", "Lấy mẫu mới; chương trình đọc phiên bản {version}"
    ),
    # columns
    "column-password": Wording(
        "Cột này là cột mật khẩu: tệp này không được chứa mật khẩu",
        "Xóa cột; mật khẩu gửi theo kênh riêng. Mật khẩu đã ghi trong tệp này cần được đổi",
    ),
    "column-duplicate": Wording("Cột {header} có hai lần", "Chỉ giữ một cột"),
    "column-unknown": Wording("Cột không có trong mẫu: không đọc", "Bỏ qua, hoặc đổi tiêu đề theo mẫu"),
    "column-nameless": Wording("Cột có dữ liệu nhưng không có tiêu đề: không đọc", "Ghi tiêu đề hoặc xóa cột"),
    "column-elsewhere": Wording("Cột thuộc trang {sheet}: không đọc ở đây", "Chuyển sang trang đó"),
    "column-not-kept": Wording("Cột có trong danh mục nhưng hệ thống không lưu", "Không cần sửa"),
    "column-hidden": Wording("Cột đang ẩn; vẫn được đọc", "Kiểm tra xem có cần đọc cột này không"),
    "column-missing": Wording("Thiếu cột {column}: mục mới bắt buộc phải có", "Thêm cột và điền giá trị"),
    # rows
    "row-hidden": Wording("Dòng đang ẩn: không đọc", "Bỏ ẩn hoặc xóa dòng"),
    "row-example": Wording(
        "Dòng ghi là ví dụ nhưng nội dung đã thay đổi: không đọc", "Ghi số thứ tự thay cho chữ {mark}, hoặc xóa dòng"
    ),
    "row-total": Wording("Dòng tổng cộng: bỏ qua", "Không cần sửa"),
    "row-section": Wording("Dòng tiêu đề mục trong bảng: bỏ qua", "Không cần sửa"),
    "row-signature": Wording("Dòng ký tên, ngày lập biểu ở dưới bảng: bỏ qua", "Không cần sửa"),
    "row-outside": Wording("Dòng ở dưới bảng, ít nội dung: không đọc", "Nếu là dữ liệu thì xóa dòng trống phía trên"),
    "row-duplicate": Wording("Trùng với dòng {row}", "Chỉ giữ một dòng"),
    "device-duplicate": Wording(
        "Dòng {row} đã ghi thiết bị ở vị trí này",
        "Nếu là một thiết bị thì giữ một dòng; nếu là hai thì ghi ở mỗi dòng địa chỉ, cổng hoặc kênh riêng",
    ),
    "site-duplicate": Wording(
        "Trùng với dòng {row}: cùng tỉnh, huyện, xã, địa chỉ và tên, hoặc cùng mã",
        "Nếu là một cơ sở thì giữ một dòng; nếu là hai cơ sở thì ghi rõ ở cả hai dòng điểm khác nhau (xã, địa chỉ)",
    ),
    "row-contradicts": Wording("Khác với dòng {row} của cùng một camera", "Sửa một trong hai dòng"),
    # cells
    "cell-struck": Wording(
        "Dòng có chữ bị gạch ngang: dòng này còn hiệu lực không?",
        "Còn thì bỏ gạch ngang; không còn thì xóa dòng, hoặc ghi “Đã đóng” (cơ sở), Đến ngày (đầu mối)",
    ),
    "comment-changes": Wording(
        "Ô có chú thích có thể làm dòng này đóng hoặc thay đổi",
        "Ghi nội dung chú thích vào các ô của dòng rồi xóa chú thích",
    ),
    "note-changes": Wording(
        "Cột này không đọc, nhưng ô có nội dung có thể làm dòng này đóng hoặc thay đổi",
        "Ghi nội dung đó vào các cột của dòng rồi xóa ô này",
    ),
    "comment-unread": Wording("Ô có chú thích: không đọc", "Nếu cần thì ghi nội dung đó vào ô"),
    "text-direction": Wording(
        "Nội dung có ký tự đảo chiều chữ: người xem thấy khác với nội dung thật", "Gõ lại, không sao chép"
    ),
    "text-hidden": Wording("Nội dung có ký tự ẩn ({characters}): đã bỏ khi đọc", "Không cần sửa nếu các từ vẫn đúng"),
    "text-doubtful": Wording(
        "Nội dung ô còn chưa chắc chắn (có dấu hỏi, “chưa rõ”, “...”): không nhận", "Hỏi lại rồi ghi nội dung chắc chắn"
    ),
    "place-none": Wording("Hiểu là không có", "Không cần sửa"),
    "required-missing": Wording("Thiếu {column}", "Điền giá trị"),
    "formula-no-value": Wording("Ô có công thức chưa có kết quả", "Mở bằng Excel rồi lưu lại, hoặc gõ giá trị"),
    "cell-broken": Wording("Ô bị lỗi Excel (ví dụ #REF!, #N/A)", "Gõ lại giá trị"),
    "cell-merged": Wording(
        "Ô bị gộp với ô phía trên, nhưng cột này mỗi dòng một giá trị", "Bỏ gộp ô và điền từng dòng"
    ),
    "ditto-own": Wording("Ghi “như trên” ở cột mà mỗi dòng một giá trị", "Ghi giá trị"),
    "ditto-nothing": Wording("Ghi “như trên” nhưng ô phía trên trống", "Ghi giá trị"),
    "text-encoding": Wording("Chữ ở bảng mã {encoding}", "Chuyển sang Unicode, ví dụ bằng UniKey, hoặc gõ lại"),
    "password-in-text": Wording(
        "Nội dung ghi rõ mật khẩu hoặc tài khoản",
        "Xóa khỏi ô và gửi theo kênh riêng; nếu đúng là mật khẩu thì cần đổi. Nếu không phải, ghi cách khác",
    ),
    "text-like-a-password": Wording(
        "Nội dung có từ giống mật khẩu: chữ, số và ký hiệu viết liền nhau",
        "Nếu đúng là mật khẩu thì xóa khỏi ô và đổi trên thiết bị; nếu không phải, ghi lại không dùng ký hiệu",
    ),
    "markup-in-text": Wording(
        "Nội dung có thẻ đánh dấu (<…>) hoặc công thức, không phải tên hay vị trí", "Ghi lại bằng chữ thông thường"
    ),
    "personal-in-text": Wording(
        "Nội dung có số điện thoại hoặc thư điện tử", "Chuyển sang trang Đầu mối, nơi dữ liệu được mã hóa"
    ),
    "id-number": Wording("Ô là số, không phải mã", _AS_TEXT_VI),
    "id-form": Wording("Mã chỉ gồm chữ không dấu, chữ số và dấu gạch nối", "Ghi như kcl-bg-001"),
    "number-form": Wording("Không phải là số", "Chỉ ghi chữ số"),
    "number-unit": Wording(
        "Số có đơn vị khác với đơn vị của cột", "Đổi đơn vị rồi chỉ ghi chữ số: 1 Gbps là 1000 Mbps"
    ),
    "number-day": Wording("Excel đã đổi số thành ngày tháng", _AS_TEXT_VI),
    "number-several": Wording("Có nhiều số, hoặc ghi từ … đến", "Chỉ ghi một số"),
    "number-not-whole": Wording("Không phải số nguyên", "Nếu dấu chấm để phân cách hàng nghìn thì bỏ đi"),
    "number-ambiguous": Wording(
        "Dấu chấm hoặc phẩy trước ba chữ số: hàng nghìn hay số lẻ?", "Ghi không có dấu, hoặc một chữ số sau dấu"
    ),
    "number-range": Wording("Số phải nằm trong khoảng {least} đến {most}", "Sửa lại"),
    "number-grouped": Wording("Đọc là {number}: dấu chấm hoặc phẩy phân cách hàng nghìn", "Không cần sửa nếu đúng"),
    "day-form": Wording("Không phải ngày tháng", "Ghi ngày/tháng/năm, ví dụ 07/05/2021"),
    "day-short-year": Wording("Năm chỉ có hai chữ số", "Ghi đủ bốn chữ số, ví dụ 07/05/2021"),
    "day-order": Wording("Không có tháng này: ngày và tháng bị đảo", "Ghi ngày/tháng/năm"),
    "day-unreal": Wording("Không có ngày này, hoặc ngày không hợp lý", "Sửa lại"),
    "day-serial": Wording("Ngày đang ở dạng số; đọc là {day}", "Không cần sửa nếu đúng"),
    "address-form": Wording("Không phải địa chỉ IPv4", "Ghi đủ bốn số, ví dụ 192.168.1.64"),
    "address-number": Wording("Excel đã đổi địa chỉ thành số", _AS_TEXT_VI),
    "address-port": Wording("Địa chỉ và cổng ghi chung một ô", "Ghi cổng vào cột Cổng RTSP"),
    "address-zeros": Wording("Trong địa chỉ có số bắt đầu bằng 0", "Bỏ các số 0 ở đầu"),
    "address-public": Wording("Không phải địa chỉ mạng LAN", "Ghi địa chỉ của camera trong mạng nội bộ"),
    "network-form": Wording("Không phải dải mạng", "Ghi như 192.168.1.0/24"),
    "network-host": Wording("Đây là một địa chỉ trong mạng, không phải dải mạng", "Nếu là {network} thì ghi như vậy"),
    "size-form": Wording("Không phải độ phân giải, hoặc có nhiều nghĩa", "Ghi rộng x cao, ví dụ 1920x1080"),
    "rtsp-path-form": Wording("Không phải đường dẫn RTSP", "Ghi phần sau địa chỉ và cổng, bắt đầu từ dấu /"),
    "choice-unknown": Wording("Không có trong danh sách", "Chọn theo mẫu: {allowed}"),
    "zone-forbidden": Wording(
        "Camera không được quan sát trong phòng ở, nhà tắm, nhà vệ sinh (công văn 4403/CV-BCĐ)",
        "Chuyển vị trí camera hoặc bỏ camera này",
    ),
    "location-room": Wording("Vị trí có vẻ ở trong phòng hoặc nhà tắm", "Hỏi lại: công văn 4403/CV-BCĐ không cho phép"),
    # provinces and facilities
    "province-unknown": Wording("Không có tỉnh, thành phố này trong danh mục {scheme}", "Ghi đủ tên tỉnh, thành phố"),
    "province-similar": Wording("Không có tỉnh, thành phố này trong danh mục {scheme}", "Có phải là: {similar}?"),
    "province-merged": Wording(
        "Không có tỉnh, thành phố này trong danh mục {scheme}; theo {older} là {old}, nay thuộc {now}",
        "Ghi tên tỉnh, thành phố hiện nay, hoặc ghi mã cơ sở đã đăng ký trước đây",
    ),
    "province-contradiction": Wording(
        "Tên và mã tỉnh không khớp: theo {scheme}, tên là {name}, mã là {coded}", "Sửa tên hoặc mã"
    ),
    "facility-unknown": Wording("Không có cơ sở này", "Sửa mã hoặc tên, hoặc thêm cơ sở ở trang Cơ sở"),
    "facility-missing": Wording("Dòng không ghi cơ sở nào", "Ghi Mã cơ sở hoặc Tên cơ sở ở từng dòng"),
    "facility-asked": Wording("Chờ trả lời câu hỏi về dòng {row}", "Trả lời câu hỏi đó trước"),
    "facility-elsewhere": Wording(
        "{facility} thuộc quận, huyện khác", "Sửa mã; nếu tệp của cơ sở sai thì sửa `location.district` trong tệp đó"
    ),
    "facility-moved": Wording("{facility} đang ghi ở xã, phường khác", "Kiểm tra lại mã"),
    "new-is-there": Wording(
        "Ghi là mới nhưng đã có là {facility}: cùng tỉnh, huyện, xã, địa chỉ và tên",
        "Ghi mã đó; nếu là cơ sở khác thì ghi thêm điểm khác nhau: Xã/Phường, Địa chỉ",
    ),
    "facility-ambiguous": Wording("Nhiều cơ sở có tên này: {facilities}", "Ghi Mã cơ sở"),
    "facility-unreadable": Wording("Tệp của {facility} đang có lỗi", "Chạy `provisioner validate` và sửa trước"),
    "facility-row-bad": Wording("Dòng của chính cơ sở đó đang có lỗi hoặc chờ trả lời", "Xử lý dòng đó trước"),
    "facility-province": Wording("{facility} thuộc {province}; tỉnh được cố định khi đăng ký", "Sửa mã hoặc tỉnh"),
    "facility-matched": Wording("Không có mã: nhận ra theo tên và địa điểm là {facility}", "Ghi mã vào bảng"),
    "facility-name-differs": Wording("{facility} có tên khác", "Kiểm tra lại mã"),
    "facility-leaves-hosts": Wording(
        "{facility} đang được kết nối: khi áp dụng sẽ ngừng kết nối", "Không cần sửa nếu đúng ý"
    ),
    "facility-renamed": Wording("{facility} đang có tên khác", "Kiểm tra lại mã"),
    "id-proposed": Wording("Mới: được cấp mã {facility}", "Ghi mã vào bảng; mã không bao giờ đổi"),
    "id-retired": Wording("{facility} là mã của cơ sở đã đóng và đã xóa", "Để trống mã"),
    "capacity-people": Wording("Có số phòng hoặc số tầng nhưng thiếu số người", "Điền Sức chứa"),
    # surveys
    "survey-older": Wording("Đã có lần khảo sát sau đó, ngày {day}", "Bỏ dòng này hoặc sửa ngày"),
    "survey-newer": Wording("Thay cho lần khảo sát ngày {day}", "Không cần sửa"),
    "lan-not-kept": Wording(
        "Cơ sở chưa có gateway nên chưa lưu dải LAN; chỉ dùng để kiểm tra địa chỉ", "Không cần sửa"
    ),
    "block-incomplete": Wording("Vướng mắc còn thiếu: {columns}", "Điền cho đủ"),
    "block-stands": Wording("Hệ thống vẫn đang ghi vướng mắc", "Nếu đã xong thì xóa `blocked` trong tệp của cơ sở"),
    # devices
    "device-contradiction": Wording("Camera IP không có đầu ghi và kênh", "Sửa Loại thiết bị hoặc xóa ô này"),
    "device-id-taken": Wording("{device} là một đầu ghi của cơ sở này", "Đặt mã khác cho camera"),
    "column-not-of-recorder": Wording("Đầu ghi không có giá trị này: không đọc", "Xóa ô này"),
    "recorder-unnamed": Wording("Không ghi đầu ghi của kênh", "Ghi Mã đầu ghi hoặc địa chỉ của đầu ghi"),
    "recorder-not-there": Wording("Cơ sở không có đầu ghi này", "Sửa mã đầu ghi, hoặc thêm một dòng cho đầu ghi"),
    "recorder-differs": Wording("Đầu ghi {recorder} có giá trị khác", "Sửa lại, hoặc đổi ở dòng của chính đầu ghi"),
    "channel-twice": Wording("Ghi cả Kênh số và Kênh IP số", "Chỉ giữ một"),
    # contacts
    "title-missing": Wording("Chưa có chức danh", "Bổ sung chức danh; danh sách bắt buộc phải có"),
    "contact-days": Wording("Ngày kết thúc trước ngày bắt đầu", "Sửa một trong hai ngày"),
    "contact-of-closed": Wording("Cơ sở đã đóng: cần xóa đầu mối", "Bỏ dòng này"),
    "contact-not-in-sheet": Wording(
        "{facility} đang có đại diện không có trong danh sách này",
        "Nếu đã thôi nhiệm vụ thì ghi Đến ngày hoặc xóa đầu mối",
    ),
    "contacts-password": Wording(
        "Đầu mối của {province} được ghi bằng mật khẩu riêng, nhưng chưa đặt mật khẩu cho contacts-{province}",
        "Trước khi --write, thêm contacts-{province}@FILE vào ANSIBLE_VAULT_IDENTITY_LIST",
    ),
    "contacts-not-compared": Wording(
        "Chưa so sánh được với đầu mối đã có của {province}: {cause}", "Khi ghi cần có mật khẩu của tỉnh"
    ),
    # what follows
    "sign-off-needed": Wording(
        "{facility}: nội dung mà {parties} đã ký thay đổi",
        "Sau khi ghi, các bên thống nhất lại rồi chạy `provisioner sign-off {facility} …`",
    ),
    "file-cannot-be-edited": Wording("Không sửa được tệp của {facility}: {cause}", "Sửa tệp bằng tay"),
    "value-refused": Wording("{where} không nhận giá trị này", "Sửa lại"),
}

#: Sentences for findings of the inventory's rules, before the rule's own words.
OF_RULES: dict[str, Wording] = {
    "": Wording("Trái quy tắc của hệ thống: {message}", "{hint}"),
    "address-duplicate": Wording("Hai thiết bị có cùng địa chỉ và cổng ({message})", "Sửa một trong hai"),
    "address-outside-lan": Wording("Địa chỉ nằm ngoài dải mạng LAN ({message})", "Sửa địa chỉ hoặc dải mạng"),
    "block-overdue": Wording("Hạn xử lý vướng mắc đã qua ({message})", "Ghi việc cần làm và hạn mới"),
    "carrier-not-designated": Wording(
        "Tỉnh chưa có doanh nghiệp được chỉ định ({message})", "Bổ sung designations.yml"
    ),
    "channel-duplicate": Wording("Hai camera cùng một kênh ({message})", "Sửa một trong hai"),
    "channel-unknown": Wording("Đầu ghi không có kênh này ({message})", "Sửa số kênh"),
    "date-in-the-future": Wording("Ngày chưa tới ({message})", "Ghi ngày đã thực hiện"),
    "dates-in-disorder": Wording("Các ngày không đúng thứ tự ({message})", "Sửa một trong hai ngày"),
    "device-id-duplicate": Wording("Hai thiết bị có cùng mã ({message})", "Đặt mã khác"),
    "lan-over-pool": Wording("Dải mạng trùng với mạng của hệ thống ({message})", "Báo đơn vị vận hành"),
    "managing-body-ended": Wording("Từ 01/07/2025 không còn cấp huyện ({message})", "Chọn UBND xã hoặc UBND tỉnh"),
    "onvif-port-duplicate": Wording(
        "Cổng ONVIF trùng với địa chỉ và cổng của thiết bị khác ({message})", "Sửa cổng ONVIF"
    ),
    "opening-missing": Wording(
        "Cơ sở đang chuẩn bị nhưng chưa có ngày dự kiến hoạt động", "Điền Ngày dự kiến hoạt động"
    ),
    "recorder-over-capacity": Wording("Vượt quá khả năng của đầu ghi ({message})", "Bớt luồng chính hoặc giảm bitrate"),
    "recorder-unknown": Wording("Không có đầu ghi này ({message})", "Sửa mã đầu ghi, hoặc thêm dòng của đầu ghi"),
    "rtsp-path-missing": Wording("Thiếu đường dẫn RTSP: hãng này không có đường dẫn mặc định", "Điền Đường dẫn RTSP"),
    "survey-counts": Wording("Số camera đạt yêu cầu nhiều hơn số camera hiện có", "Sửa một trong hai số"),
    "uplink-over-capacity": Wording(
        "Đường truyền không đủ cho các luồng phụ ({message})", "Giảm bitrate hoặc nâng đường truyền"
    ),
}


# Keys and values of files inside the rules' sentences: a province reads the words of its sheet, and its days.
_HEADERS = {key: column.header for form in FORMS for key, column in form.by_key.items() if "_" in key}
_HEADERS |= {"operating": "Tình trạng hoạt động", "contact_confirmed_on": "Ngày xác nhận đầu mối"}
_LABELS = {v.value: words.split(" | ")[0] for v, words in VALUE_WORDS if isinstance(v, BlockReason | BlockOwner)}
_LABELS |= {v.value: f"“{words.split(' | ')[0]}”" for v, words in VALUE_WORDS if isinstance(v, Operating)}
_VALUE = re.compile(
    r"(?<=\()[a-z_]+(?=\))|(?<=\): )[a-z]+(?= phải xong)|(?<=operating là )[a-z]+|(?<=operating: )[a-z]+"
)
_KEY = re.compile(rf"(?<![\w`])(?:{'|'.join(_HEADERS)})(?!\w)")
_DAY = re.compile(r"(?<![\w-])([0-9]{4})-([0-9]{2})-([0-9]{2})(?![\w-])")


def _in_words(text: str) -> str:
    text = _VALUE.sub(lambda found: _LABELS.get(found[0], found[0]), text)
    return _DAY.sub(r"\3/\2/\1", _KEY.sub(lambda found: _HEADERS[found[0]], text))


CATALOGUE: Mapping[Language, Mapping[str, Wording]] = {
    Language.EN: {**FIELD_SENTENCES[Language.EN], **ENGLISH},
    Language.VI: {**FIELD_SENTENCES[Language.VI], **VIETNAMESE},
}
LEVELS: Mapping[Language, Mapping[FindingLevel, str]] = {
    Language.EN: {level: level.value for level in FindingLevel},
    Language.VI: {
        FindingLevel.ERROR: "lỗi",
        FindingLevel.QUESTION: "câu hỏi",
        FindingLevel.WARNING: "cảnh báo",
        FindingLevel.NOTE: "ghi chú",
    },
}


def wording(remark: Remark, language: Language) -> Wording:
    """Return message and hint; the inventory's rules bring their own English."""
    fills = dict(remark.fills)
    if "message" in fills:
        if language is Language.EN:
            return Wording(fills["message"], fills["hint"])
        say = translator(language)
        fills |= {name: _in_words(say.restated(fills[name])) for name in ("message", "hint")}
        translated = OF_RULES.get(remark.code, OF_RULES[""])
        return Wording(translated.message.format_map(fills), translated.hint.format_map(fills))
    template = CATALOGUE[language][remark.code]
    return Wording(template.message.format_map(fills), template.hint.format_map(fills))
