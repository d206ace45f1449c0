"""Nodes: what travels, what is carried, and what is refused."""
