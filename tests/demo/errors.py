"""What ends a demo."""


class DemoError(Exception):
    """Something came out otherwise than it should."""
