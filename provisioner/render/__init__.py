"""Rendering: a host's desired state and the templates to files, byte for byte as they lie on the host."""
