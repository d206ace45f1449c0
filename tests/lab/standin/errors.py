"""The errors that end a step of the stand-in with one line."""

import errno
import os


class ConfigError(Exception):
    """The configuration file is invalid."""


class NotImplementedHereError(Exception):
    """The configuration is valid, but switches on what only the real relay can do."""

    def __init__(self, feature: str) -> None:
        """Name the feature."""
        super().__init__(f"the stand-in does not implement {feature}")


class StartError(Exception):
    """A listener or the log could not be opened."""


class SourceError(Exception):
    """A source failed; the text is what the log says."""


class RequestError(Exception):
    """A reader's request is refused with an RTSP status."""

    def __init__(self, status: int, reason: str) -> None:
        """Remember the status and what the log says."""
        super().__init__(reason)
        self.status = status


def system_reason(error: OSError) -> str:
    """Name a system error as the real relay does, such as `connection refused`."""
    if error.errno is None:
        return str(error).lower()
    if error.errno == errno.ETIMEDOUT:
        return "connection timed out"
    return os.strerror(error.errno).lower()
