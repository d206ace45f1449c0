"""The transaction. Imports all folders."""
