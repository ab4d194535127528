"""The API process: the application, its health, and the server that runs it."""

import asyncio
import gc
import os
import resource
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server
from prometheus_client import values
from starlette.responses import Response
from starlette.types import ASGIApp

from zxo import __version__, http, limits, registry, settings
from zxo.context import Context, open_context
from zxo.kit import failures, lifeline, logging, metrics, openapi
from zxo.kit.clock import Clock
from zxo.kit.edge import Edge
from zxo.kit.headers import Cors, SecurityHeaders
from zxo.kit.web import json_response
from zxo.settings import Settings

STARTED = time.monotonic()
GRACE_SECONDS = 25  # the supervisor, like Kubernetes, kills after 30
READY_SECONDS = 2.0
GC_THRESHOLD = 20_000  # allocations; requests leave few cycles behind
PREFLIGHT_SECONDS = 7200  # as long as Chrome remembers one
EXPOSED = ("X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed")
GRANIAN_LOG = {"loggers": {"_granian": {"propagate": True}}}  # to ours; its own goes to stdout


def create_app(settings: Settings, clock: Clock | None = None, *, served: bool = False) -> FastAPI:
    """The application. It connects when it starts (ASGI lifespan), not when it is made.

    `served`: it has this process to itself, and its signals.
    """
    clock = clock or Clock(settings.clock)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_context(settings, role="api", clock=clock) as context,
            AsyncExitStack() as beside,
        ):
            app.state.context = context
            app.state.beside = {
                name: await beside.enter_async_context(work(context))
                for name, work in registry.BESIDE.items()
                if mounted(settings, name)
            }
            if served:
                _end_first(beside)
            yield

    app: FastAPI = FastAPIOffline(
        title="ZXO 戒烟打卡",
        version=__version__,
        description="每天打卡，看见自己的进步。",
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs/static",
        redirect_slashes=False,
        # It looks into the environment three times a request; /metrics is ours.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.clock = clock
    # Not include_router: a nested router is matched in two steps on every request. And in front of
    # the framework's own routes, for the same reason.
    modules = [registry.ROUTERS[name] for name in registry.ROUTERS if mounted(settings, name)]
    app.router.routes[:0] = [route for module in modules for route in module.routes]
    _add_operations(app, settings)
    failures.install(app, clock)
    tokens = (http.current_user, http.bearer_token, *registry.GUARDS)
    openapi.install(
        app, secured_by=tokens, operated_by=registry.OPERATOR_GUARDS, limited=limits.of_route
    )
    return app


def _end_first(beside: AsyncExitStack) -> None:
    """On SIGTERM, end what runs beside requests before the server is told.

    It cuts sockets off without a word as soon as it hears, before the lifespan ends. It stops on
    SIGINT just as well, which is what it gets then.
    """

    async def stop() -> None:
        try:
            await beside.aclose()
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    loop, stopping = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    loop.add_signal_handler(signal.SIGTERM, lambda: stopping.add(loop.create_task(stop())))


def mounted(settings: Settings, module: str) -> bool:
    """Whether this process answers for the module: all of them unless some are chosen."""
    return not settings.modules or module in settings.modules


def wrap(app: FastAPI, settings: Settings) -> ASGIApp:
    """The application behind its outermost layers."""
    headers = SecurityHeaders(behind_tls=settings.production)
    edge = Edge(app, app.state.clock, settings.max_body, headers)
    if not settings.cors_origins:
        return edge
    # Around everything: a page of another origin may read a refusal, too.
    return Cors(
        edge,
        headers,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "POST", "PUT", "DELETE"),
        allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "X-Request-Id"),
        expose_headers=EXPOSED,
        max_age=PREFLIGHT_SECONDS,
    )


def _add_operations(app: FastAPI, settings: Settings) -> None:
    """What a load balancer and Prometheus ask; outside /v1 and the envelope."""

    @app.get("/health", include_in_schema=False)
    async def health() -> Response:
        uptime = round(time.monotonic() - STARTED, 3)
        timestamp = app.state.clock.timestamp_ms()
        return json_response({"status": "ok", "timestamp": timestamp, "uptime": uptime})

    @app.get("/ready", include_in_schema=False)
    async def ready(request: Request) -> Response:
        checks = await _checks(request.app.state.context)
        # Valkey holds only what can be rebuilt: without it the service is slower, not down.
        up = checks["database"] == "ok"
        body = {"status": "ready" if up else "not ready", "checks": checks}
        return json_response(body, 200 if up else 503)

    @app.get("/metrics", include_in_schema=False)
    async def prometheus() -> Response:
        return Response(metrics.render(settings.metrics_dir), media_type=metrics.CONTENT_TYPE)


async def _checks(ctx: Context) -> dict[str, str]:
    async def check(question: object) -> str:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await question  # type: ignore[misc]
        except Exception as error:
            return f"failed: {type(error).__name__}"
        return "ok"

    database, valkey = await asyncio.gather(
        check(ctx.db.fetchval("SELECT 1")), check(ctx.valkey.ping())
    )
    return {"database": database, "valkey": valkey}


def from_environment() -> ASGIApp:
    """What each server process loads."""
    lifeline.follow_parent()
    configured = settings.load()
    logging.configure(configured.log_level, role="api")
    if configured.metrics_dir:
        # The library chooses at its import, when the folder was not yet known.
        values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    app = wrap(create_app(configured, served=True), configured)
    # What was loaded so far stays for good: it need not be looked through again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    return app


def serve(configured: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests that have begun are finished first (25 s)."""
    logging.configure(configured.log_level, role="api")
    with tempfile.TemporaryDirectory(prefix="zxo-metrics-") as fresh:
        if configured.metrics_dir or configured.workers > 1:
            configured = settings.load(PROMETHEUS_MULTIPROC_DIR=configured.metrics_dir or fresh)
            _wipe(Path(configured.metrics_dir))
        _allow_many_connections()
        # Until a new server process has its own handler, the one it inherits swallows a SIGTERM.
        os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
        _serve(configured)


def _allow_many_connections() -> None:
    """As many open files as the system permits: by default they are 1024, and a socket is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names no limit, and refuses to set none
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _wipe(metrics_dir: Path) -> None:
    """The files of processes that are gone would be counted for ever."""
    metrics_dir.mkdir(parents=True, exist_ok=True)
    for file in metrics_dir.glob("*.db"):
        file.unlink()


def _serve(configured: Settings) -> None:
    Server(
        "zxo.api:from_environment",
        factory=True,
        address=configured.host,
        port=configured.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        loop=Loops.uvloop,
        workers=configured.workers,
        websockets=True,
        backlog=2048,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=GRACE_SECONDS,
        log_level=LogLevels.warning,
        log_dictconfig=GRANIAN_LOG,
    ).serve()


def main() -> None:
    """The API as `zxo up` starts it: with settings that were checked, and only as long as it."""
    lifeline.follow_parent()
    serve(settings.load())


if __name__ == "__main__":
    main()
