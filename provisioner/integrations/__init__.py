"""Other programs that are told: alerting, notices, forges. Imports `verify`, `inventory`, `base`."""
