"""What the sheets ask for: records against the inventory, as edits of its files and findings at cells. Pure."""
