"""Free texts of an inventory's objects. Pure."""

import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from provisioner.inventory.model.base import Model, Text, use_of

_Path = tuple[str | int, ...]
M = TypeVar("M", bound=Model)

WITHHELD: Final = "(withheld: see provisioner validate)"  #: Replacement of a text that may not be shown.

_TEXT: Final = get_args(Text)
_HOLDERS: Final = frozenset({Annotated, Union, types.UnionType, tuple, dict})


def texts_in(value: object, path: _Path = ()) -> Iterator[tuple[_Path, str]]:
    """Yield each free text of an object, with its path."""
    if isinstance(value, Model):
        for name, is_text in _fields(type(value)):
            below = getattr(value, name)
            if below is None or below == ():
                continue
            if is_text and isinstance(below, str):
                yield (*path, name), below
            elif is_text:
                yield from (((*path, name, index), text) for index, text in enumerate(below))
            else:
                yield from texts_in(below, (*path, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from texts_in(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(item, (*path, key))


def with_texts(model: M, convert: Callable[[str], str]) -> M:
    """Apply a function to an object's free texts; unchanged objects are kept."""
    changes: dict[str, object] = {}
    for name, _ in _fields(type(model)):
        content = getattr(model, name)
        changed = _with_converted_texts(content, convert, is_text=dict(_fields(type(model)))[name])
        if changed is not content:
            changes[name] = changed
    return model.model_copy(update=changes) if changes else model


def _with_converted_texts(value: object, convert: Callable[[str], str], *, is_text: bool) -> object:
    if isinstance(value, str):
        text = convert(value) if is_text else value
        return value if text == value else text
    if isinstance(value, Model):
        return with_texts(value, convert)
    if isinstance(value, tuple):
        items = tuple(_with_converted_texts(item, convert, is_text=is_text) for item in value)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if isinstance(value, dict):
        pairs = {key: _with_converted_texts(item, convert, is_text=is_text) for key, item in value.items()}
        return value if all(pairs[key] is item for key, item in value.items()) else pairs
    return value


@cache
def text_keys(*models: type[Model]) -> frozenset[str]:
    """Return the keys of models that are free texts or private."""
    return frozenset(
        name
        for model in models
        for name, field in model.model_fields.items()
        if use_of(field).private or dict(_fields(model)).get(name)
    )


@cache
def _fields(model: type[Model]) -> tuple[tuple[str, bool], ...]:
    """Return fields with free texts, and whether they are texts themselves."""
    hints = get_type_hints(model, include_extras=True)
    listed = (
        (name, _type_contains(hints[name], _is_free), _type_contains(hints[name], _leads_on))
        for name in model.model_fields
    )
    return tuple((name, is_text) for name, is_text, leads in listed if is_text or leads)


def _type_contains(hint: object, wanted: Callable[[object], bool]) -> bool:
    if wanted(hint):
        return True
    parts = get_args(hint)
    if get_origin(hint) is Annotated and parts[0] is str:
        return False  # a form that leaves no room for a sentence: an id, a key, a checksum
    return get_origin(hint) in _HOLDERS and any(_type_contains(part, wanted) for part in parts)


def _is_free(hint: object) -> bool:
    # A field's own marks stand behind those of `Text`.
    return hint is str or get_args(hint)[: len(_TEXT)] == _TEXT


def _leads_on(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, Model) and bool(_fields(hint))
