"""A branch followed and applied."""
