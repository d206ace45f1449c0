"""The inventory as typed, frozen values (docs/internals/inventory.md)."""
