"""Desired state of hosts and sites, and its files."""
