"""An agent over hosts in memory, with real repositories of Git: what it applies, refuses, waits for and tells."""
