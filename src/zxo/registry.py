"""The tables of the system: what answers, what reacts to what, and what runs when."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from fastapi import APIRouter

from zxo import housekeeping
from zxo.context import Context
from zxo.kit.jobs import Run, Scheduled
from zxo.kit.outbox import Event, Reactions, reaction_name
from zxo.modules.auth import handlers as auth_handlers
from zxo.modules.auth import routes as auth_routes
from zxo.modules.checkins import CheckedIn
from zxo.modules.checkins import routes as checkins_routes
from zxo.modules.cravings import routes as cravings_routes
from zxo.modules.notifications import sockets as notifications_sockets
from zxo.modules.regions import routes as regions_routes
from zxo.modules.users import ProfileChanged, SettingsChanged
from zxo.modules.users import handlers as users_handlers
from zxo.modules.users import routes as users_routes

Job = Callable[[Context], Awaitable[None]]

# Which module answers under /v1. `--modules checkins,cravings` mounts only those.
# A request is matched from the top: what is asked for most stands first.
ROUTERS: Mapping[str, APIRouter] = {
    "users": users_routes.api,
    "checkins": checkins_routes.api,
    "cravings": cravings_routes.api,
    "auth": auth_routes.api,
    "regions": regions_routes.api,
    "realtime": notifications_sockets.api,
}

# What an API process that mounts the module runs beside requests, from its start to its end.
BESIDE: Mapping[str, Callable[[Context], AbstractAsyncContextManager[Any]]] = {
    "realtime": notifications_sockets.hub,
}

# What happens after what. A reaction gets the context and a list of events, and may run twice.
REACTIONS: Reactions = {
    CheckedIn: (users_handlers.drop_cached,),
    ProfileChanged: (users_handlers.drop_cached,),
    SettingsChanged: (users_handlers.drop_cached,),
}

# What runs when: five cron fields, Shanghai time.
SCHEDULE: Mapping[Job, str] = {
    housekeeping.keep_partitions: "10 0 * * *",
    housekeeping.forget_idempotent_answers: "20 * * * *",
    housekeeping.prune_job_log: "40 3 * * *",
    auth_handlers.delete_expired_sessions: "30 3 * * *",
}


def jobs(ctx: Context, only: Collection[str] = ROUTERS) -> dict[str, Run]:
    """What the worker can run, by name: `only` these modules' jobs, and the housekeeping."""
    scheduled = {reaction_name(job): _scheduled(ctx, job) for job in SCHEDULE}
    reacting = {
        f"{reaction_name(reaction)}:{event.name()}": _reacting(ctx, reaction, event)
        for event, reactions in REACTIONS.items()
        for reaction in reactions
    }
    owners = {*only, "housekeeping"}
    return {name: run for name, run in (scheduled | reacting).items() if _owner(name) in owners}


def schedule() -> list[Scheduled]:
    """What the worker enqueues when."""
    return [Scheduled(cron, reaction_name(job)) for job, cron in SCHEDULE.items()]


def _owner(job_name: str) -> str:
    return job_name.partition(".")[0]


def _scheduled(ctx: Context, job: Job) -> Run:
    async def run(_: bytes) -> None:
        await job(ctx)

    return run


def _reacting(ctx: Context, reaction: Any, event: type[Event]) -> Run:
    decoder = msgspec.json.Decoder(list[event])  # type: ignore[valid-type]

    async def run(payload: bytes) -> None:
        await reaction(ctx, decoder.decode(payload))

    return run
