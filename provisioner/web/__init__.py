"""Pages, read-only. Imports `record`, `verify`, `report`."""
