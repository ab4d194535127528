"""Requests within the limits of their route, and the headers that say what is left of them."""

from collections.abc import Sequence
from typing import NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from zxo.callers import address_in, address_of, current_user
from zxo.context import Context
from zxo.kit.errors import AppError
from zxo.kit.failures import as_app_error
from zxo.kit.lean import Handler
from zxo.kit.ratelimit import RateLimited, Spent, headers_of, refused
from zxo.limits import Limit


def below_ceiling(handler: Handler) -> Handler:
    """`handler` for addresses that ask no more often than any of them may."""

    async def handle(request: Request) -> Response:
        ctx: Context = request.app.state.context
        limits = ctx.limits
        if limits.enabled:
            limits.addresses.require(address_in(request.scope, limits.proxies))
        return await handler(request)

    return handle


def within_limits(handler: Handler, limits: Sequence[Limit]) -> Handler:
    """`handler` for whoever has something left of each of `limits`."""
    if not limits:
        return handler

    async def handle(request: Request) -> Response:
        ctx: Context = request.app.state.context
        if not ctx.limits.enabled:
            return await handler(request)
        return await _counted(ctx, request, handler, limits)

    return handle


async def _counted(
    ctx: Context, request: Request, handler: Handler, limits: Sequence[Limit]
) -> Response:
    spent: list[Spent] = []
    held: list[_Held] = []
    for limit in limits:
        subject = await _subject(limit, request)
        found = await ctx.limits.count(limit, subject)
        if found is None:
            continue
        spent.append(found)
        if not found.passed:
            raise _with_headers(refused(found), spent)
        if limit.only is not None:
            held.append(_Held(limit, subject, found))
    try:
        response = await handler(request)
    except Exception as error:  # whatever it is, it costs nothing but where it is what counts
        told = as_app_error(error)
        await _give_back(ctx, [one for one in held if one.limit.only != told.code])
        if isinstance(error, (AppError, RequestValidationError)):
            raise _with_headers(told, spent) from error
        raise
    await _give_back(ctx, held)
    response.headers.update(headers_of(spent))
    return response


class _Held(NamedTuple):
    """What is spent only if the answer turns out to be the one that the limit counts."""

    limit: Limit
    subject: str
    spent: Spent


async def _give_back(ctx: Context, held: Sequence[_Held]) -> None:
    for one in held:
        await ctx.limits.give_back(*one)


async def _subject(limit: Limit, request: Request) -> str:
    if limit.by == "address":
        return address_of(request)
    return str((await current_user(request)).user_id)


def _with_headers(error: AppError, spent: list[Spent]) -> AppError:
    """`error`, saying what is left of every limit; also of one that the handler has spent."""
    own = [error.spent] if isinstance(error, RateLimited) else []
    error.headers.update(headers_of([*spent, *(one for one in own if one not in spent)]))
    return error
