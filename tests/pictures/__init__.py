"""Simulated cameras: scenes, nights and faults, encoded as cameras do it, and how often the checks of pictures err."""
