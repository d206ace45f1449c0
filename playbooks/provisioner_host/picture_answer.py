"""What a confined reader may say of a look at a picture: each part of its kind and within bounds. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from provisioner_host.picture_measures import (
    COARSE_HEIGHT,
    COARSE_WIDTH,
    GRID_HEIGHT,
    GRID_WIDTH,
    MOST_KEYS,
    MOST_PICTURES,
)

if TYPE_CHECKING:
    from provisioner_host.wire import PacketsAnswer, PictureAnswer, SceneAnswer

_GRID = re.compile(rf"[0-9a-f]{{{GRID_WIDTH * GRID_HEIGHT}}}")
_STRENGTHS = re.compile(rf"[0-9a-f]{{{COARSE_WIDTH * COARSE_HEIGHT}}}")
_DIGEST = re.compile(r"[0-9a-f]{16}")
_MOST, _LONGEST_S, _STEEPEST = 10**9, 10**6, 2_000


def checked_picture(answer: object) -> PictureAnswer:
    """The parts of a look that are of their kind.

    Raises:
        KeyError, TypeError, ValueError: a part is not, or is not there.
    """
    said = _object(answer)
    rate, scene = said["declared_fps"], said["scene"]
    return {
        "every": said["every"] is True,
        "looked_s": number(said["looked_s"], 0, _LONGEST_S),
        "packets": _packets(_object(said["packets"])),
        "frames": _count(said["frames"]),
        "owed": _count(said["owed"]),
        "key_frames": _count(said["key_frames"]),
        "complaints": _count(said["complaints"]),
        "missed": _count(said["missed"]),
        "declared_fps": None if rate is None else number(rate, 0, _LONGEST_S),
        "scene": None if scene is None else _scene(_object(scene)),
        "differences": [number(one, 0, 255) for one in _list(said["differences"], MOST_PICTURES)],
        "digests": [_text(one, _DIGEST) for one in _list(said["digests"], MOST_PICTURES + 1)],
    }


def _packets(said: Mapping[str, object]) -> PacketsAnswer:
    return {
        "count": _count(said["count"]),
        "bytes": _count(said["bytes"]),
        "span_s": number(said["span_s"], 0, _LONGEST_S),
        "arrived_s": number(said["arrived_s"], 0, _LONGEST_S),
        "step_s": number(said["step_s"], 0, _LONGEST_S),
        "longest_s": number(said["longest_s"], 0, _LONGEST_S),
        "gaps": _count(said["gaps"]),
        "equal": _count(said["equal"]),
        "backward": _count(said["backward"]),
        "keys": [_text(one, _DIGEST) for one in _list(said["keys"], MOST_KEYS)],
        "key_count": _count(said["key_count"]),
    }


def _scene(said: Mapping[str, object]) -> SceneAnswer:
    return {
        "median": _level(said["median"]),
        "bright": _level(said["bright"]),
        "spread": _level(said["spread"]),
        "one_level": number(said["one_level"], 0, 1),
        "three_levels": number(said["three_levels"], 0, 1),
        "levels": _whole(said["levels"], 256),
        "flat_cells": number(said["flat_cells"], 0, 1),
        "gradient_p50": number(said["gradient_p50"], 0, _STEEPEST),
        "gradient_p90": number(said["gradient_p90"], 0, _STEEPEST),
        "gradient_p99": number(said["gradient_p99"], 0, _STEEPEST),
        "steepest": number(said["steepest"], 0, _STEEPEST),
        "sharpness": number(said["sharpness"], 0, 255),
        "grid": _text(said["grid"], _GRID),
        "strengths": _text(said["strengths"], _STRENGTHS),
        "digest": _text(said["digest"], _DIGEST),
    }


def number(value: object, least: float, most: float) -> float:
    """A number within bounds.

    Raises:
        ValueError: it is none, or beyond them.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError
    return value


def _count(value: object) -> int:
    return _whole(value, _MOST)


def _level(value: object) -> int:
    return _whole(value, 255)


def _whole(value: object, most: int) -> int:
    if not isinstance(value, int):
        raise TypeError
    return int(number(value, 0, most))


def _text(value: object, form: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError
    return value


def _list(value: object, most: int) -> list[object]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError
    return value


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError
    return value
