"""From a file to tables of rows. Imports `forms`."""
