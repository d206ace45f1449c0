"""Spreadsheets of provinces (XLSX, CSV) as they really arrive, and the smallest change that they ask for.

The way of a file:

    tables   bytes → grids of cells → tables of rows → records   (cells, forms: what a column may hold)
    proposal records + inventory → edits of files, contacts, and every finding with its cell
    report   the proposal as a document, a sheet and messages
    write    the edits onto the disk     (only when asked for)

All but reading the file and `write` is pure. A finding never holds a person's data, nor what may be a password.
"""
