"""From rows to edits of facility files. Imports `tables`."""
