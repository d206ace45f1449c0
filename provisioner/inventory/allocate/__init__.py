"""Allocation of tunnel addresses, and of sites' ports and prefixes. Pure.

Recorded entries never change. New entries take the first free value, in the order of ids, so that the order of files
and list items does not matter. Removed entries leave a tombstone and are never reused.
"""
