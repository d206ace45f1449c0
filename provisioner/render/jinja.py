"""A template and its values to a file's bytes; each value passes a quoting filter. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import jinja2

from provisioner.base.errors import RenderError
from provisioner.render.quote import FILTERS
from provisioner.render.templates import Templates


def fill(templates: Templates, name: str, values: Mapping[str, object]) -> bytes:
    """A file's bytes.

    Args:
        templates: all of them: one may include another.
        name: the template's, e.g. `nftables/provisioner.nft.j2`.
        values: what it asks for.

    Raises:
        RenderError: the template is broken or lacks a value, or a value does not fit its format.
    """
    environment = _environment(tuple(templates.texts.items()))
    try:
        return environment.get_template(name).render(values).encode()
    except jinja2.UndefinedError as error:
        raise RenderError(
            f"template {name} asks for a value that it does not get: {error.message}",
            hint="compare the template with those of this version; a site's own copy may be older",
            object=name,
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise RenderError(f"template {name}, line {error.lineno}: {error.message}", object=name) from None
    except jinja2.TemplateNotFound:
        raise RenderError(f"template {name} is missing", hint="install provisioner again", object=name) from None
    except (TypeError, ValueError) as error:
        # The texts of these errors are ours (`quote`) and hold no value of a secret.
        raise RenderError(f"template {name}: {error}", object=name) from None


@lru_cache(maxsize=4)
def _environment(texts: tuple[tuple[str, str], ...]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(dict(texts)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (configuration files, not HTML; each value passes a quoting filter)
    )
    environment.filters.update(FILTERS)
    return environment
