"""The agent, which follows a branch and applies it."""
