"""Provinces' spreadsheets, and the smallest change that they ask for.

Sheets (XLSX, CSV) are read as they really arrive. The packages, each built on those above it:

    grid      a sheet as cells, findings with their cells, and limits of a file
    contacts  personal data, encrypted, and the readers of its fields
    forms     the four sheets: their columns, their choices, and the readers of cells
    tables    a file's bytes → grids of cells → tables of rows → records
    dcim      the same tables from the objects of a NetBox or a Nautobot
    proposal  records + inventory → edits of facility files, contacts, and every finding with its cell
    report    the proposal as a document, as text and as a spreadsheet, in English and in Vietnamese
    write     the workbook that provinces fill in, and writing the edits (on request only)

All but files, a server and `write` is pure. A finding never contains personal data or a possible password.
"""
