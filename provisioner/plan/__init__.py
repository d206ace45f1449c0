"""The plan: changes of chosen hosts, digest, totals, documents. Pure."""
