"""Rendering of the desired state to files."""
