"""A NetBox or a Nautobot read as if it were sheets: its sites and devices, by a mapping that a person wrote."""
