"""Where each facility stands. Imports `inventory`."""
