"""Loading files into a checked inventory."""
