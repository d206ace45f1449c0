"""What users install: that it is whole, the same whoever builds it, and leaves nothing behind."""
