"""Who attacks: the marker of every test in which somebody means harm, so that docs/threats.md can be held to them."""

from __future__ import annotations

from typing import Final

import pytest

MERGE_REQUEST: Final = pytest.mark.hostile("merge request")
GATEWAY: Final = pytest.mark.hostile("gateway")
CAMERA: Final = pytest.mark.hostile("camera")
VIEWER: Final = pytest.mark.hostile("viewer")
CENTRE: Final = pytest.mark.hostile("centre")
RELAY: Final = pytest.mark.hostile("relay")
LOCAL_USER: Final = pytest.mark.hostile("local user")
"""Somebody with an account on the controller's machine or on a host, who is neither the engineer nor root."""
