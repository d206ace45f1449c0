"""GitLab, GitHub, Forgejo. Imports `base`."""
