"""A country whose relays are simulated: the program on hosts is the real one, and their Control API the stand-in's."""
