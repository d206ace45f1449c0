"""Reachability between hosts and sites, by the rendered rules."""
