"""The messages of findings in English. No sentence repeats a cell."""

from __future__ import annotations

from provisioner.contacts.messages import Wording

_TEXT = "format the column as Text, then type the value again"

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
    "dcim-unreachable": Wording("the server cannot be asked: {cause}", "see the address in the mapping, and the token"),
    "dcim-odd": Wording(
        "the server answers what no NetBox or Nautobot does",
        "see that the address in the mapping is its own, without /api",
    ),
    "dcim-too-many": Wording(
        "the server has more than {limit} of them", "choose some of them with filter in the mapping"
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
    "row-outside": Wording("a row below the table with little in it: it was not read", "if it is data, close the gap"),
    "row-duplicate": Wording("this is the same as in row {row}", "keep one of the two"),
    "site-duplicate": Wording(
        "this is the same as in row {row}: province, district, ward, street and name, or the id",
        "if it is one site, keep one row; if they are two, write into both rows what tells them apart",
    ),
    "row-contradicts": Wording("this differs from row {row}, which is about the same camera", "correct one of the two"),
    # cells
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
    "id-number": Wording("a number stands where an id is expected", _TEXT),
    "id-form": Wording("an id has letters without accents, digits and hyphens", "write it like kcl-bg-001"),
    "number-form": Wording("this is no number", "write digits alone"),
    "number-day": Wording("Excel made a date of this number", _TEXT),
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
    "address-number": Wording("Excel made a number of the address", _TEXT),
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
    "facility-row-bad": Wording("the facility's own row has errors", "correct that row first"),
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
