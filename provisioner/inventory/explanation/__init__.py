"""From pydantic's errors to problems with a place and a correction. Imports `files`, `model`."""
