"""One command's work: load, check, desire, plan, verify."""
