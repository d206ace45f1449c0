"""The sentences of questions, in English and in Vietnamese. Names and addresses in them are those of sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from provisioner.contacts.messages import Language
from provisioner.importing.proposal.questions import Candidate, Question, QuestionKind, Why

QUESTION: Mapping[Language, str] = {Language.EN: "question", Language.VI: "câu hỏi"}
"""What a question is called beside the levels of findings."""

_ASKS: Mapping[Language, Mapping[QuestionKind, str]] = {
    Language.EN: {
        QuestionKind.TWIN: "is this one of these sites, or a site of its own of the same name?",
        QuestionKind.RENAME: "is this one of these sites under another name, or a site of its own?",
        QuestionKind.MISSING: "in the inventory, and not in this list: is it closed, or has it another name?",
    },
    Language.VI: {
        QuestionKind.TWIN: "Đây là một trong các cơ sở sau, hay là cơ sở khác trùng tên?",
        QuestionKind.RENAME: "Đây là một trong các cơ sở sau nhưng ghi tên khác, hay là cơ sở khác?",
        QuestionKind.MISSING: "Có trong hệ thống nhưng không có trong danh sách này: đã đóng hay đã đổi tên?",
    },
}
_ANSWERS: Mapping[Language, Mapping[str, str]] = {
    Language.EN: {
        "cell": "write into {cell} (Mã cơ sở)",
        "column": "add a column Mã cơ sở and write into row {row}",
        "id": "{facility} if it is that one",
        "new": "“mới” if it is a site of its own",
        "bare": "“mới” if it is a site of its own, and fill in Xã/Phường and Địa chỉ as well",
        "listed": "if it is {facilities}, which another row is about, delete this row",
        "rows": "if it is the site of row {rows}, keep one of the rows",
        "missing": "closed: a row with {facility} in Mã cơ sở and “Đã đóng” in Tình trạng hoạt động; another name: "
        "{facility} in the row of that name; as it was: a row with {facility} alone. Nothing is closed by itself",
    },
    Language.VI: {
        "cell": "ghi vào ô {cell} (Mã cơ sở)",
        "column": "thêm cột Mã cơ sở và ghi vào dòng {row}",
        "id": "{facility} nếu là cơ sở đó",
        "new": "“mới” nếu là cơ sở khác",
        "bare": "“mới” nếu là cơ sở khác, và ghi thêm cả Xã/Phường, Địa chỉ",
        "listed": "nếu là {facilities} (đã có dòng khác) thì xóa dòng này",
        "rows": "nếu là cơ sở ở dòng {rows} thì chỉ giữ một dòng",
        "missing": "đã đóng: thêm dòng ghi {facility} ở cột Mã cơ sở và Tình trạng hoạt động “Đã đóng”; đổi tên: ghi "
        "{facility} vào dòng có tên mới; vẫn như cũ: thêm dòng chỉ ghi {facility}. Hệ thống không tự đóng cơ sở nào",
    },
}
_REASONS: Mapping[Language, Mapping[Why, str]] = {
    Language.EN: {
        Why.SAME_NAME: "the same name",
        Why.OTHER_MARKS: "the same name but for its marks",
        Why.LIKE_NAME: "a name that is written like it",
        Why.LONGER_NAME: "one name has words that the other has not",
        Why.SAME_WARD: "the same ward",
        Why.SAME_STREET: "the same address",
        Why.PLACE_MISSING: "district, ward or address is missing on one side",
        Why.PLACE_LIKE: "district, ward or address is written in another way",
        Why.MANY_NAMESAKES: "one of very many of this name",
        Why.LISTED: "another row is about it",
        Why.NOT_LISTED: "no row of the list is about it",
        Why.NOT_THIS_ID: "no site has the id of the row",
    },
    Language.VI: {
        Why.SAME_NAME: "cùng tên",
        Why.OTHER_MARKS: "cùng tên, khác dấu",
        Why.LIKE_NAME: "tên viết gần giống",
        Why.LONGER_NAME: "tên này có thêm từ so với tên kia",
        Why.SAME_WARD: "cùng xã, phường",
        Why.SAME_STREET: "cùng địa chỉ",
        Why.PLACE_MISSING: "một bên thiếu huyện, xã hoặc địa chỉ",
        Why.PLACE_LIKE: "huyện, xã hoặc địa chỉ ghi khác cách",
        Why.MANY_NAMESAKES: "có rất nhiều cơ sở cùng tên",
        Why.LISTED: "đã có dòng khác ghi cơ sở này",
        Why.NOT_LISTED: "chưa có dòng nào trong danh sách ghi cơ sở này",
        Why.NOT_THIS_ID: "mã ghi ở dòng này chưa có trong hệ thống",
    },
}
_ROW: Mapping[Language, str] = {Language.EN: "row {row}", Language.VI: "dòng {row}"}


class QuestionText(NamedTuple):
    """A question in words.

    Attributes:
        place: where it is asked.
        message: what is asked.
        candidates: the sites that the row may be, one a line.
        answer: how to answer.
    """

    place: str
    message: str
    candidates: tuple[str, ...]
    answer: str


def question_text(question: Question, language: Language) -> QuestionText:
    """A question in words."""
    name = f" “{question.name}”" if question.name else ""
    facility = f" {question.facility}" if question.facility else ""
    lines = tuple(f"{_site(candidate, language)} ({because(candidate, language)})" for candidate in question.candidates)
    place = f"{question.position}{facility}{name}"
    return QuestionText(place, _ASKS[language][question.kind], lines, _answer(question, language))


def because(candidate: Candidate, language: Language) -> str:
    """Why a site is a candidate."""
    return "; ".join(_REASONS[language][reason] for reason in candidate.reasons)


def _site(candidate: Candidate, language: Language) -> str:
    row = _ROW[language].format(row=candidate.row.row) if candidate.row else ""
    named = ", ".join(filter(None, (candidate.facility, row)))
    return f"{named}: {', '.join(filter(None, (candidate.name, candidate.address)))}"


def _answer(question: Question, language: Language) -> str:
    phrases = _ANSWERS[language]
    if question.kind is QuestionKind.MISSING:
        return phrases["missing"].format(facility=question.facility)
    position, candidates = question.position, question.candidates
    where = phrases["cell" if position.column else "column"].format(cell=position.cell, row=position.row)
    free = [c.facility for c in candidates if c.facility and Why.LISTED not in c.reasons]
    listed = [c.facility for c in candidates if c.facility and Why.LISTED in c.reasons]
    rows = sorted(c.row.row for c in candidates if c.row and not c.facility)
    words = [phrases["id"].format(facility=facility) for facility in dict.fromkeys(free)]
    words.append(phrases["bare" if _is_bare(question) else "new"])
    answers = [f"{where}: {' / '.join(words)}"]
    answers += [phrases["listed"].format(facilities=", ".join(listed))] if listed else []
    answers += [phrases["rows"].format(rows=", ".join(map(str, rows)))] if rows else []
    return "; ".join(answers)


def _is_bare(question: Question) -> bool:
    """Whether the same name and nothing beside it is all that is known of the row and of a candidate."""
    candidates = question.candidates
    return question.bare and any(not c.row and not c.address and Why.SAME_NAME in c.reasons for c in candidates)
