"""Tests of importing spreadsheets."""
