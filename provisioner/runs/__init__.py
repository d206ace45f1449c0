"""Runs: a plan applied, a run resumed or aborted, a host rolled back; revisions compared, verifications recorded.

Every run is recorded before it touches anything, step by step while it goes on, and with what became of it.
"""
