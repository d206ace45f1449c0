"""GitLab, GitHub and Forgejo. Imports `base`."""
