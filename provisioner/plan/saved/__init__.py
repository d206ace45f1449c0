"""Saved plans: sealed, parsed, compared."""
