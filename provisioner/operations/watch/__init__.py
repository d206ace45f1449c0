"""The watch of paths between nights."""
