"""Edits of an inventory's files by command."""
