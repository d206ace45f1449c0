"""Keys changed while pictures go on."""
