"""Drains: a relay's sites move to another relay."""
