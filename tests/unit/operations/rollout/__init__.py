"""Tests of changing hosts, without hosts."""
