"""Every failure leaves in the one envelope: the handler that turns errors into answers."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from structlog import get_logger

from zxo.kit import errors
from zxo.kit.clock import Clock
from zxo.kit.db import is_away
from zxo.kit.errors import AppError
from zxo.kit.web import Failure, Problem, json_response

log = get_logger(__name__)

PROBLEM = "application/problem+json"
# Enough to mend a form; a body of nothing but mistakes gets no answer larger than itself.
MOST_FIELDS = 20
LONGEST_NAME = 100

_BY_STATUS: dict[int, type[AppError]] = {
    cls.status: cls
    for cls in (
        errors.BadRequest,
        errors.Unauthorized,
        errors.Forbidden,
        errors.NotFound,
        errors.MethodNotAllowed,
        errors.PayloadTooLarge,
        errors.UnsupportedMediaType,
        errors.TooManyRequests,
    )
}


class InvalidFields(errors.BadRequest):
    """The request does not have the required form."""

    code = "invalid_request"


def as_app_error(error: Exception) -> AppError:
    """What the caller is told about `error`; anything unforeseen is a plain 500."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid_fields(error.errors())
    if isinstance(error, HTTPException):
        return _from_http(error)
    if is_away(error):
        return errors.Unavailable("the database does not answer")
    return AppError("an unforeseen error, see the log under this request id")


def failure_response(
    error: AppError, *, clock: Clock, request_id: str, path: str, accept: str
) -> Response:
    """The envelope, or RFC 9457 where the client asked for it."""
    if PROBLEM in accept:
        problem = Problem(
            type="about:blank",
            title=error.message,
            status=error.status,
            detail=error.detail,
            instance=path,
            error_code=error.code,
            request_id=request_id,
            data=error.data,
        )
        return json_response(problem, error.status, PROBLEM, error.headers)
    failure = _envelope(error, clock, request_id)
    return json_response(failure, error.status, headers=error.headers)


def _envelope(error: AppError, clock: Clock, request_id: str) -> Failure:
    return Failure(
        code=error.status,
        message=error.message,
        error=error.detail,
        error_code=error.code,
        request_id=request_id,
        timestamp=clock.timestamp_ms(),
        data=error.data,
    )


def respond(request: Request, error: Exception, clock: Clock) -> Response:
    """The answer to `request` for `error`, logged where an operator should see it."""
    told = _told(error)
    return failure_response(
        told,
        clock=clock,
        request_id=request.scope.get("request_id", ""),
        path=request.scope["path"],
        accept=request.headers.get("accept", ""),
    )


def in_answer(request: Request, error: Exception, clock: Clock) -> Failure:
    """The envelope for an answer to `request` that has begun already, logged like any other."""
    return _envelope(_told(error), clock, request.scope.get("request_id", ""))


def _told(error: Exception) -> AppError:
    told = as_app_error(error)
    if told.status >= 500:
        _log(error, told)
    return told


def install(app: FastAPI, clock: Clock) -> None:
    """Answer every error that a route raises."""

    async def handle(request: Request, error: Exception) -> Response:
        answer = respond(request, error, clock)
        if answer.status_code == errors.MethodNotAllowed.status:
            # The framework names the methods of the first route only.
            answer.headers["Allow"] = _allowed(app, request.scope["path"])
        return answer

    for kind in (AppError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)


def _allowed(app: FastAPI, path: str) -> str:
    """The methods of the resource at `path`, as the Allow header lists them.

    `/cravings/stats` is one resource, though `/cravings/{craving_id}` matches it, too.
    """
    found = [
        route
        for route in iter_route_contexts(app.routes)
        if route.methods and route.path_regex.match(path)
    ]
    methods = {
        method for route in found if route.path == found[0].path for method in route.methods or ()
    }
    return ", ".join(sorted(methods))


def _log(error: Exception, told: AppError) -> None:
    if told.status == 503:
        log.warning("unavailable", detail=told.detail, reason=type(error).__name__)
    else:
        log.error("unforeseen_error", exc_info=error)


def _from_http(error: HTTPException) -> AppError:
    kind = _BY_STATUS.get(error.status_code, errors.BadRequest)
    told = kind(str(error.detail))
    told.headers.update(error.headers or {})
    return told


def _invalid_fields(found: Sequence[Any]) -> InvalidFields:
    """Field paths and reasons. Never the rejected value: it may be somebody's secret."""
    fields = [
        {"field": _path(item["loc"])[:LONGEST_NAME], "reason": _reason(item)}
        for item in found[:MOST_FIELDS]
    ]
    detail = "; ".join(f"{item['field']}: {item['reason']}" for item in fields)
    return InvalidFields(detail, data={"fields": fields})


def _path(location: Sequence[str | int]) -> str:
    if location[0] == "body" and len(location) > 1 and isinstance(location[-1], str):
        return ".".join(str(part) for part in location[1:])
    return str(location[0]) if location[0] == "body" else ".".join(map(str, location[1:]))


def _reason(item: dict[str, Any]) -> str:
    if item["type"] == "json_invalid":
        return "not valid JSON"
    if item["type"] in {"model_type", "model_attributes_type"}:
        return "must be a JSON object"
    if item["type"] == "extra_forbidden":
        return "unknown field"
    return str(item["msg"]).removeprefix("Value error, ")
