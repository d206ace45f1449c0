"""Reports: a result to text, JSON and HTML. Pure functions of the result; no clock, no network, no secrets."""
