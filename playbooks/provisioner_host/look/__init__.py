"""Evidence about camera paths. Imports `observe` and below."""
