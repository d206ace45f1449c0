"""Looks between verifications: one after the other, and where their metrics are read."""
