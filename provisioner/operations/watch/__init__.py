"""Paths watched by day."""
