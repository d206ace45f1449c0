"""The ground of an import: grids of cells as a file has them, findings with their cells, and limits. Pure."""
