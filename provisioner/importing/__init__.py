"""Spreadsheets of provinces (XLSX, CSV) as they really arrive, and the smallest change that they ask for.

The rooms, each built on those above it:

    cells     a sheet as cells, findings with their cells, and how much of a file is read
    forms     the four sheets: their columns, the words to choose from, how a cell of each column is read
    tables    a file's bytes → grids of cells → tables of rows → records
    proposal  records + inventory → edits of facility files, contacts, and every finding with its cell
    template  the workbook that provinces fill in, empty or with what the inventory has
    report    the proposal as a document, as text and as a spreadsheet, in English and in Vietnamese
    write     the edits onto the disk (only when asked for)

All but reading the file and `write` is pure. A finding never holds a person's data, nor what may be a password.
"""
