"""Runs that change hosts: approved, journalled, resumed, rolled back, recorded."""
