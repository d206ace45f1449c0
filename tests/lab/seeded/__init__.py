"""Faults that are seeded in the lab, and what `verify` says of each: the table of docs/reference/verdicts.md."""
