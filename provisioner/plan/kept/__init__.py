"""Plans in files: as they were saved and sealed, as one says without the vault, two side by side. Pure."""
