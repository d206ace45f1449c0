"""Templates of pages that stand alone: every value is printable and escaped. Pure."""

from __future__ import annotations

from functools import lru_cache

import jinja2

from provisioner.base.printable import printable


@lru_cache
def page_template(name: str) -> jinja2.Template:
    """The template of a page, by its file in this folder."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("provisioner.report", "."),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
    )
    return environment.get_template(name)
