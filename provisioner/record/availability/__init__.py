"""How long paths were up within a span. Imports `base`."""
