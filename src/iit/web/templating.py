"""The pages' templates: everything that is put into them is escaped."""

from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

_templates: Final = Environment(
    loader=PackageLoader("iit.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_templates.filters["percent"] = lambda share: f"{100 * share:.0f} %"
_templates.filters["day"] = lambda on: "" if on is None else f"{on.day} {on:%b %Y}"


def render(name: str, **values: Any) -> str:
    """Return a page."""
    return _templates.get_template(name).render(**values)
