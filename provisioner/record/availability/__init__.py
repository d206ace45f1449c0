"""Times that paths were up within a span. Imports `base`."""
