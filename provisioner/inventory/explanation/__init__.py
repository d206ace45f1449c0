"""From pydantic's errors to problems with a correction. Imports `files`, `model`."""
