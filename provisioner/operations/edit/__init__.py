"""Edits of an inventory's files by commands."""
