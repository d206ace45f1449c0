"""Commands: options, one call, text."""
