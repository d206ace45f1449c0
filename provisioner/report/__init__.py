"""Values as text, pages and documents. Imports `verify`, `plan`, `record`, `inventory`, `base`."""
