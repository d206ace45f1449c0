"""How much is read of a file: more than any province has, less than what would hold a machine up."""

from __future__ import annotations

MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_UNPACKED_BYTES = 48 * 1024 * 1024
"""Of all XML parts of a workbook together: a zip of a few kilobytes can unpack to gigabytes."""
MAX_PART_BYTES = 24 * 1024 * 1024
"""Of one sheet, or of the texts that sheets share."""
MAX_OTHER_BYTES = 2 * 1024 * 1024
"""Of any other part: a list of a million names takes longer to read than a sheet of the same size."""
MAX_ELEMENTS = 1_500_000
"""XML elements of a file's sheets; a filled cell has three."""
MAX_RARE_ELEMENTS = 100_000
"""Elements that are neither rows nor cells: rules, links, merged ranges, coloured letters."""
MAX_PARTS = 2_000
MAX_SHEETS = 40
MAX_ROWS = 10_000
"""Of one sheet. The whole country had some 15,000 cameras in 2021; a province has a few hundred."""
MAX_COLUMNS = 200
MAX_CELLS = 200_000
"""Of one file, empty ones not counted."""
MAX_MERGED = 20_000
MAX_TEXT = 2_000
"""Characters of one cell; whatever is longer is no value of an inventory."""
HEADER_ROWS = 20
"""How far down the header of a sheet's first table is looked for."""
