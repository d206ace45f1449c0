"""Verification: evidence from hosts in one visit each, judged into verdicts and incidents (docs/design.md, part 7)."""
