"""The inventory as typed, frozen values (docs/internals/inventory.md).

Unknown keys are errors, and texts and numbers are never converted. Models check one file; `rules` check what needs two
objects.
"""
