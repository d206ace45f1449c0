"""Marks by which people say that they are not sure: a question mark, `chưa rõ`, `...`; and those that say "nothing"."""

from __future__ import annotations

import re
from functools import lru_cache

from provisioner.base.vietnamese import clean, fold

_CACHED = 8192
_PHRASES = (
    *(
        "chưa rõ",
        "không rõ",
        "chưa biết",
        "không biết",
        "chưa xác định",
        "chưa xác minh",
        "chưa chắc",
        "chưa chính xác",
    ),
    *("chưa có tên", "chưa có thông tin", "cần xác minh", "cần kiểm tra", "kiểm tra lại", "xem lại", "hỏi lại"),
    *("đang cập nhật", "cập nhật sau", "bổ sung sau", "hình như", "hoặc"),
)
_WITH_MARKS = re.compile(rf"(?<!\w)(?:{'|'.join(_PHRASES)})(?!\w)", re.IGNORECASE)
_WITHOUT_MARKS = re.compile(rf"(?:^|-)(?:{'|'.join(fold(phrase) for phrase in _PHRASES if ' ' in phrase)})(?:$|-)")
_WHOLE = re.compile(
    r"n[/.]?a\.?|#n/a|none|null|nil|tbd|todo|unknown|x{1,9}|test(?: ?[0-9]+)?|(?:trường|cơ sở) test|abc|không tên",
    re.IGNORECASE,
)
_WITHIN = re.compile(r"[?\uff1f\ufffd]|(?<!\w)x{3,}(?!\w)|(?:(?<!\.)\.{2,}|\u2026)\s*\)?$", re.IGNORECASE)
_LONGEST_NOTHING = 20
_NOTHING = frozenset({"khong", "khong-co", "khong-co-duong", "khong-co-so-nha"})


@lru_cache(maxsize=_CACHED)
def is_doubtful(written: str) -> bool:
    """Tell whether a text, clean already, says of itself that it is not sure, or only holds a place."""
    if not any(map(str.isalnum, written)) or _WHOLE.fullmatch(written) or _WITHIN.search(written):
        return True
    # Without marks a phrase may be a name's own words: it counts only where no word has any.
    return bool(_WITHOUT_MARKS.search(fold(written)) if written.isascii() else _WITH_MARKS.search(written))


@lru_cache(maxsize=_CACHED)
def is_nothing(text: str) -> bool:
    """Tell whether a text says that there is nothing: a dash, or `không có`."""
    if len(text) > _LONGEST_NOTHING:
        return False
    written = clean(text)
    return bool(written) and (not written.strip("-\u2013\u2014/_ ") or fold(written) in _NOTHING)
