"""Requests within the limits of their route, and the headers that say what is left of them."""

from collections.abc import Sequence

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from zxo.callers import address_of, current_user
from zxo.context import Context
from zxo.kit.errors import AppError
from zxo.kit.failures import as_app_error
from zxo.kit.lean import Handler
from zxo.kit.ratelimit import Spent, refused
from zxo.limits import Limit


def below_ceiling(handler: Handler) -> Handler:
    """`handler` for addresses that ask no more often than any of them may."""

    async def handle(request: Request) -> Response:
        ctx: Context = request.app.state.context
        if ctx.limits.enabled:
            ctx.limits.addresses.require(address_of(request))
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
    given_back: list[tuple[Limit, str]] = []
    for limit in limits:
        subject = await _subject(limit, request)
        found = await ctx.limits.count(limit, subject)
        if found is None:
            continue
        spent.append(found)
        if not found.passed:
            raise _with_headers(refused(found), spent)
        if limit.only is not None:
            given_back.append((limit, subject))
    try:
        response = await handler(request)
    except (AppError, RequestValidationError) as error:
        told = as_app_error(error)
        await _give_back(ctx, [one for one in given_back if one[0].only != told.code])
        raise _with_headers(told, spent) from error
    await _give_back(ctx, given_back)
    response.headers.update(_rate_headers(spent))
    return response


async def _give_back(ctx: Context, spent: Sequence[tuple[Limit, str]]) -> None:
    for limit, subject in spent:
        await ctx.limits.give_back(limit, subject)


async def _subject(limit: Limit, request: Request) -> str:
    if limit.by == "address":
        return address_of(request)
    return str((await current_user(request)).user_id)


def _with_headers(error: AppError, spent: Sequence[Spent]) -> AppError:
    error.headers.update(_rate_headers(spent))
    return error


def _rate_headers(spent: Sequence[Spent]) -> dict[str, str]:
    if not spent:
        return {}
    return {
        "RateLimit-Policy": ", ".join(one.policy for one in spent),
        "RateLimit": ", ".join(one.state for one in spent),
    }
