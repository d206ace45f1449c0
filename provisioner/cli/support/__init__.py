"""Parts that commands share. Imports all rooms below."""
