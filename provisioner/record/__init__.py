"""The record: entries, verdicts, availability, path states. Imports `inventory`, `base`."""
