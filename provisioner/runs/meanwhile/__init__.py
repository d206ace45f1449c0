"""What goes on while a run does: alerts of what it cuts are silenced, its paths in maintenance, proofs are kept."""
