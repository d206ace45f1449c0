"""The four sheets: columns, words, cells. Imports `importing.grid`."""
