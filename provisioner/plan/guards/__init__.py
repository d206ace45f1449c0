"""What holds a plan back: policy, a lock-out by the new rules, changes outside of `--limit`. Pure."""
