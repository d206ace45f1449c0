"""Forges (GitHub, GitLab, Forgejo and Gitea): a comment on a merge request, its labels, a commit's status."""
