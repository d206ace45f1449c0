"""The four sheets and what their cells mean. Imports `importing.grid`."""
