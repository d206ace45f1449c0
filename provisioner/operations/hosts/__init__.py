"""One host prepared, replaced, given up."""
