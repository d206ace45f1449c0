"""Answers from inventory and record; only packages and retention write."""
