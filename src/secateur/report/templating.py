"""Pages from templates: everything escaped, nothing undefined."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from secateur.report import format as fmt


def environment() -> Environment:
    """What every page's template is loaded with."""
    made = Environment(
        loader=PackageLoader("secateur.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["clean"] = fmt.clean
    made.filters["p_value"] = fmt.p_value
    return made
