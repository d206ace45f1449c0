"""Simulated cameras: scenes, nights and faults, encoded as cameras encode them, and how often the checks of pictures err."""
