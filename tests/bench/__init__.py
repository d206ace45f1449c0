"""Measurements, not tests: what large inventories and applies cost on this machine (docs/internals/bench.md)."""
