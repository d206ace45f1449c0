"""The ground floor: errors, problems, secrets, digests, the vault, the clock, text and files. It knows no stage."""
