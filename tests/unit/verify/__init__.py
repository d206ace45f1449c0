"""Tests of verification and its reports."""
