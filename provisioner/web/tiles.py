"""The map of the provinces: one tile a province, placed by hand so that the country can be recognised. Pure.

Rows go from north to south and columns from west to east; no border and no coordinate is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

_OF_2021: Final = """
.             LC:lao-cai    HG:ha-giang     CB:cao-bang     .               .
LCH:lai-chau  YB:yen-bai    TQ:tuyen-quang  BK:bac-kan      LS:lang-son     .
DB:dien-bien  PT:phu-tho    VP:vinh-phuc    TN:thai-nguyen  BG:bac-giang    QN:quang-ninh
SL:son-la     HB:hoa-binh   HN:ha-noi       BN:bac-ninh     HD:hai-duong    HP:hai-phong
.             .             HNA:ha-nam      HY:hung-yen     TB:thai-binh    .
.             .             NB:ninh-binh    ND:nam-dinh     .               .
.             .             TH:thanh-hoa    .               .               .
.             .             NA:nghe-an      .               .               .
.             .             HT:ha-tinh      .               .               .
.             .             .               QB:quang-binh   .               .
.             .             .               QT:quang-tri    .               .
.             .             .               .               TTH:thua-thien-hue  .
.             .             .               .               QNA:quang-nam   DN:da-nang
.             .             .               .               KT:kon-tum      QNG:quang-ngai
.             .             .               .               GL:gia-lai      BD:binh-dinh
.             .             .               .               DL:dak-lak      PY:phu-yen
.             .             .               BP:binh-phuoc   DNO:dak-nong    KH:khanh-hoa
.             .             TNI:tay-ninh    BDU:binh-duong  LD:lam-dong     NT:ninh-thuan
.             .             LA:long-an      HCM:ho-chi-minh DNA:dong-nai    BT:binh-thuan
AG:an-giang   DT:dong-thap  TG:tien-giang   BTR:ben-tre     VT:ba-ria-vung-tau  .
KG:kien-giang CT:can-tho    VL:vinh-long    TV:tra-vinh     .               .
.             HAG:hau-giang ST:soc-trang    .               .               .
CM:ca-mau     BL:bac-lieu   .               .               .               .
"""
_OF_2025: Final = """
.             LC:lao-cai    TQ:tuyen-quang  CB:cao-bang     .
LCH:lai-chau  PT:phu-tho    TN:thai-nguyen  LS:lang-son     .
DB:dien-bien  SL:son-la     HN:ha-noi       BN:bac-ninh     QN:quang-ninh
.             .             NB:ninh-binh    HY:hung-yen     HP:hai-phong
.             .             TH:thanh-hoa    .               .
.             .             NA:nghe-an      .               .
.             .             HT:ha-tinh      .               .
.             .             .               QT:quang-tri    .
.             .             .               HUE:hue         .
.             .             .               .               DN:da-nang
.             .             .               .               QNG:quang-ngai
.             .             .               .               GL:gia-lai
.             .             .               .               DL:dak-lak
.             .             DNA:dong-nai    LD:lam-dong     KH:khanh-hoa
.             TNI:tay-ninh  HCM:ho-chi-minh .               .
AG:an-giang   DT:dong-thap  VL:vinh-long    .               .
CM:ca-mau     CT:can-tho    .               .               .
"""
_MAPS: Final = {"gso-2021": _OF_2021, "gso-2025": _OF_2025}


@dataclass(frozen=True, slots=True)
class Tile:
    """A province's place on the map; rows and columns begin with 1. `short` is what a narrow screen has room for."""

    slug: str
    short: str
    row: int
    column: int


@cache
def tiles(scheme: str) -> Mapping[str, Tile]:
    """The tiles of a list of provinces by slug, from north to south; none for a list that is not known."""
    rows = _MAPS.get(scheme, "").strip().splitlines()
    cells = ((cell, row, column) for row, line in enumerate(rows, 1) for column, cell in enumerate(line.split(), 1))
    placed = ((cell.partition(":"), row, column) for cell, row, column in cells if cell != ".")
    return {slug: Tile(slug, short, row, column) for (short, _, slug), row, column in placed}
