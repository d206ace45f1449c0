"""What was done and seen: entries, verdicts, availability, path states. Imports `inventory`, `base`."""
