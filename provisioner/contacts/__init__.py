"""Contacts: the personal data of the job, apart from everything else.

Only the contact commands and the importer of spreadsheets may import this package (a contract of the
layers says so). Rendering, planning, logging and every other report cannot reach it.
"""
