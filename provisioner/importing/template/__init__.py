"""The spreadsheet that a province fills in, empty or with what the inventory has of it. Pure."""
