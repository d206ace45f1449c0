"""Pages, read-only. Imports `report`, `verify`, `record`, `inventory`."""
