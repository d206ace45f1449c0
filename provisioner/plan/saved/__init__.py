"""Saved plans: sealed, read back, compared. Imports `plan`."""
