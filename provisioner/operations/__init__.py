"""What changes something or takes long. Imports all below."""
