"""Spreadsheets of provinces, and the smallest change they ask for.

Sheets (XLSX, CSV) are read as they really arrive. The rooms, each built on those above it:

    grid      a sheet as cells, findings with their cells, and how much of a file is read
    contacts  personal data, encrypted, and the readers of its fields
    forms     the four sheets: their columns, the words to choose from, how a cell of each column is read
    tables    a file's bytes → grids of cells → tables of rows → records
    dcim      the same tables from the objects of a NetBox or a Nautobot
    proposal  records + inventory → edits of facility files, contacts, and every finding with its cell
    report    the proposal as a document, as text and as a spreadsheet, in English and in Vietnamese
    write     the workbook that provinces fill in, and the edits onto the disk (only when asked for)

Files, a server and `write` aside, all is pure. A finding never holds a person's data, nor what may be a password.
"""
