"""A host is prepared, replaced, released, decommissioned, or certified."""
