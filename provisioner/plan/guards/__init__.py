"""Guards that refuse a plan: limits, lockout, reachability, approvals, Rego."""
