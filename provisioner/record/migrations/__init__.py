"""Migrations of the record's database."""
