"""OpenAPI for answers that are structs: their schemas come from msgspec, with the envelope."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from zxo.kit.errors import AppError
from zxo.kit.web import Failure, Problem, Reply

_REFERENCE = "#/components/schemas/{name}"
_documented: dict[type[Reply], dict[str, Any]] = {}


def answers(data: type[Reply] | None, *errors: type[AppError], status: int = 200) -> dict[str, Any]:
    """Arguments for a route decorator: what it answers with, and which failures to expect."""
    return {
        "status_code": status,
        "responses": {
            status: {"description": "成功", "content": _json(_envelope(data, status))},
            **_failures(errors),
        },
    }


def _failures(errors: tuple[type[AppError], ...]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int | str, list[type[AppError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": "；".join(f"`{error.code}` {error.message}" for error in kinds),
            "content": {
                **_json({"$ref": _REFERENCE.format(name="Failure")}),
                "application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}},
            },
        }
        for status, kinds in by_status.items()
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _envelope(data: type[Reply] | None, status: int) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["code", "message", "data", "timestamp"],
        "additionalProperties": False,
        "properties": {
            "code": {"const": status},
            "message": {"type": "string"},
            "data": _reference(data) if data else {"type": "null"},
            "timestamp": {"type": "integer", "description": "ms since 1970"},
        },
    }


def _reference(data: type[Reply]) -> dict[str, Any]:
    if data not in _documented:
        _documented[data] = {}
    return {"$ref": _REFERENCE.format(name=data.__name__)}


def install(app: FastAPI) -> None:
    """Serve the schema at /openapi.json, with the structs' components in it."""

    def schema() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = schema  # type: ignore[method-assign]


def _build(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    structs: list[type[msgspec.Struct]] = [*_documented, Failure, Problem]
    _, components = msgspec.json.schema_components(structs, ref_template=_REFERENCE)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(_number_decimals(components))
    # FastAPI documents a 422 for every route with parameters; ours is a 400.
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


def _number_decimals(node: Any) -> Any:
    """Money leaves as a JSON number, while msgspec's schema says a string."""
    if isinstance(node, dict):
        if node.get("format") == "decimal":
            return {"type": "number"}
        return {key: _number_decimals(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_number_decimals(item) for item in node]
    return node
