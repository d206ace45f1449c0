"""What an import says: its document, its sheet and its messages, in English and in Vietnamese. Pure."""
