"""What this project relies on in its relay, asserted on every relay engine at hand."""
