"""From an inventory's files to typed values and problems: in parallel where they are many, from a cache if it holds."""
