"""Approvals of plans: made and written down, and held against what a plan needs before it is applied."""
