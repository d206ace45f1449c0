"""What holds a plan back: limits, lockout, reachability, approvals, Rego. Imports `plan.change`."""
