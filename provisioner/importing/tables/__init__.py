"""From a file's bytes to tables of rows: XLSX and delimited text, headers, merged cells, records."""
