"""The inventory's files as text: layout, lock, strict YAML with positions, the smallest edit, older revisions."""
