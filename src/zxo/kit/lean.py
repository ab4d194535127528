"""A short way from the request to the endpoint, for routes that need nothing else.

FastAPI resolves dependencies, query and body through one general machine, which costs a third of a
small request. An endpoint that takes only the request, dependencies of the request, one Query and
one JSON body is called directly; what it takes stays declared as FastAPI documents it.
docs/adr/0009 has the figures.
"""

import inspect
import types
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends
from pydantic import ValidationError
from starlette.responses import Response

from zxo.kit.web import Body, Query

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Resolve = Callable[[Request], Awaitable[Any]]


def lean_handler(endpoint: Callable[..., Awaitable[Response]]) -> Handler | None:
    """A handler for `endpoint`, or None where only FastAPI knows how to call it."""
    resolvers: dict[str, Resolve] = {}
    for name, parameter in inspect.signature(endpoint, eval_str=True).parameters.items():
        resolve = _resolver(parameter.annotation)
        if resolve is None:
            return None
        resolvers[name] = resolve
    # Who is calling is settled before the body is looked at.
    resolvers = dict(sorted(resolvers.items(), key=lambda item: isinstance(item[1], _ReadBody)))
    steps = tuple(resolvers.items())

    async def handle(request: Request) -> Response:
        arguments = {name: await resolve(request) for name, resolve in steps}
        return await endpoint(**arguments)

    return handle


def _resolver(annotation: Any) -> Resolve | None:
    if annotation is Request:
        return _itself
    if get_origin(annotation) is Annotated:
        kind, marker = get_args(annotation)[:2]
        if isinstance(kind, type) and issubclass(kind, Query):
            return _ReadQuery(kind)
        return _dependency(marker) if isinstance(marker, Depends) else None
    choices = get_args(annotation) if _is_union(annotation) else (annotation,)
    models = [choice for choice in choices if choice is not types.NoneType]
    if len(models) == 1 and isinstance(models[0], type) and issubclass(models[0], Body):
        return _ReadBody(models[0], optional=len(choices) > 1)
    return None


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in {Union, types.UnionType}


def _dependency(marker: Depends) -> Resolve | None:
    """Only coroutines of the request alone."""
    dependency = marker.dependency
    if dependency is None or not inspect.iscoroutinefunction(dependency):
        return None
    parameters = inspect.signature(dependency, eval_str=True).parameters.values()
    return dependency if [p.annotation for p in parameters] == [Request] else None


async def _itself(request: Request) -> Request:
    return request


class _ReadQuery:
    """Reads the query as FastAPI would; of a name that comes twice the last one counts.

    Raises RequestValidationError.
    """

    def __init__(self, model: type[Query]) -> None:
        self._model = model

    async def __call__(self, request: Request) -> Query:
        raw: bytes = request.scope["query_string"]
        named = dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))
        try:
            return self._model.model_validate(named)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            raise RequestValidationError(
                [{**item, "loc": ("query", *item["loc"])} for item in found]
            ) from None


class _ReadBody:
    """Reads the JSON body as FastAPI would. Raises RequestValidationError."""

    def __init__(self, model: type[Body], *, optional: bool) -> None:
        self._model = model
        self._optional = optional

    async def __call__(self, request: Request) -> Body | None:
        raw: bytes = request.scope["body"]
        if not raw:
            if self._optional:
                return None
            raise _invalid({"type": "missing", "loc": (), "msg": "Field required"})
        value = _json(raw)
        if value is None and self._optional:
            return None
        try:
            return self._model.model_validate(value)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            raise _invalid(*found) from None


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError):
        message = "JSON decode error"
        raise _invalid({"type": "json_invalid", "loc": (), "msg": message}) from None


def _invalid(*found: Any) -> RequestValidationError:
    return RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in found])
