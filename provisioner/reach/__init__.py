"""Who can reach what: packets held against the rules that are rendered, and statements held against that. Pure."""
