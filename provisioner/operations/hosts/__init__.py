"""One host prepared, replaced, given up, or certified."""
