"""An agent that follows a branch of a Git remote: what it may do next, and how that is done."""
