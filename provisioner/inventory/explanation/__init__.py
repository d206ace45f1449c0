"""Conversion of pydantic's errors to problems with a correction."""
