"""Pages, read-only. Imports `report`, `verify`, `record`, `inventory`, and one module of `operations`."""
