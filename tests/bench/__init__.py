"""Measurements, not tests: what large inventories and applies cost on this machine (docs/bench.md)."""
