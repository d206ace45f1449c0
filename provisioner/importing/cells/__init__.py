"""What all of an import is made of: grids of cells as a file has them, findings with their cells, and limits. Pure."""
