"""`/docs`: the description of the API as a page, made here: no script, and nothing from anybody else's server."""

from typing import Any, Final, NamedTuple

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from iit.api.rules import PUBLIC
from iit.web.templating import render

router = APIRouter(include_in_schema=False)

_SIMPLE: Final = ("type", "format", "pattern", "minimum", "maximum", "maxLength", "default")


class Parameter(NamedTuple):
    """What a route takes beside its body."""

    name: str
    place: str
    is_required: bool
    form: str
    meaning: str


class Operation(NamedTuple):
    """One route and method."""

    method: str
    path: str
    summary: str
    description: str
    needs: str
    parameters: list[Parameter]
    bodies: list[str]
    answers: list[tuple[str, str]]


@router.get("/docs", dependencies=[PUBLIC])
def reference_page(request: Request) -> Response:
    """Show every route: what it takes and how it answers."""
    return HTMLResponse(_page(request.app))


def _page(app: FastAPI) -> str:
    described = app.openapi()
    groups: dict[str, list[Operation]] = {}
    for path, operations in described["paths"].items():
        for method, told in operations.items():
            groups.setdefault(str(told.get("tags", ["other"])[0]), []).append(_operation(path, method, told))
    return render("reference.html", user=None, csrf="", groups=groups, about=described["info"])


def _operation(path: str, method: str, told: dict[str, Any]) -> Operation:
    return Operation(
        method=method.upper(),
        path=path,
        summary=told.get("summary", ""),
        description=told.get("description", ""),
        needs="API key or access token" if told.get("security") else "nothing",
        parameters=[_parameter(one) for one in told.get("parameters", [])],
        bodies=list(told.get("requestBody", {}).get("content", {})),
        answers=[(code, one.get("description", "")) for code, one in told["responses"].items()],
    )


def _parameter(told: dict[str, Any]) -> Parameter:
    form = _form(told.get("schema", {}))
    return Parameter(told["name"], told["in"], bool(told.get("required")), form, told.get("description", ""))


def _form(schema: dict[str, Any]) -> str:
    """Return the form of a value in a line."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_form(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    kind, *others = [(name, schema[name]) for name in _SIMPLE if schema.get(name) is not None] or [("type", "any")]
    return ", ".join([str(kind[1]), *(f"{name} {value}" for name, value in others)])
