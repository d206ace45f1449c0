"""The stages of a command: load, check, desire, plan, verify."""
