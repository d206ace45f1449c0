"""The agent follows a branch and applies it."""
