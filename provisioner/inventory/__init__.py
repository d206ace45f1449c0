"""The inventory: model, files, rules and loading."""
