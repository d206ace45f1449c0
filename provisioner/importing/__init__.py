"""Spreadsheets of provinces (XLSX, CSV) as they really arrive, and the smallest change that they ask for.

The way of a file:

    opening  bytes → grids of cells      (xlsx, delimited; whatever cannot be a spreadsheet is refused by name)
    tables   grid → tables of rows       (headers by their aliases, merged and repeated cells filled in)
    records  row → values of the model   (values, choices, screening)
    proposal records + inventory → edits of files, contacts, and every finding with its cell
    writing  the edits onto the disk     (only when asked for)

All but `opening` and `writing` is pure. A finding never holds a person's data, nor what may be a password.
"""
