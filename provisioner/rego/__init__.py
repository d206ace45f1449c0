"""Rego rules: what a site's own rules say of a plan. What a file may say, the door to regopy, what its answers mean."""
