"""The report of an import: document, text, spreadsheet, and the messages of findings in two languages. Pure."""
