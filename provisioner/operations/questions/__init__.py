"""Answers from inventory and record. Read-only, but for packages and retention."""
