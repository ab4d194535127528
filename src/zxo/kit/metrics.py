"""Prometheus metrics of this process, or of all processes of one server (multiprocess mode)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_requests = Histogram(
    "http_request_duration_ms",
    "HTTP request duration in milliseconds",
    ["method", "route", "status_code"],
    buckets=(1, 2, 5, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000),
)

# Each with a label: what has none is made at the import, before it is known where to write to.
sockets = Gauge("websockets", "Sockets by state", ["state"], multiprocess_mode="livesum")
socket_events = Counter("websocket_events", "Events sent to sockets", ["type"])
sockets_closed = Counter("websockets_closed", "Sockets closed, by reason", ["reason"])

# Entries of projections in Valkey that differed from PostgreSQL's, by what found them.
board_drift = Counter("ranking_drift", "Board entries unlike PostgreSQL's", ["found_by"])

# Texts that nobody but our own list of words has looked at, by why.
content_unchecked = Counter(
    "content_unchecked", "Texts WeChat did not judge, by reason", ["reason"]
)

# By what gave the answer, and whether it came to its end.
coach_answers = Counter("coach_answers", "Answers of the coach", ["source", "outcome"])
coach_tokens = Counter("coach_tokens", "Tokens charged for answers", ["provider"])

rate_limited = Counter("rate_limited", "Requests refused, by limit", ["limit"])
rate_limit_fallbacks = Counter(
    "rate_limit_fallbacks", "Questions of a limit that Valkey did not answer", ["limit"]
)

# Of each process: how calls of language models ended, and who is left alone for a while.
model_calls = Counter(
    "model_calls", "Calls of language models, by how they ended", ["provider", "outcome"]
)
model_first_token = Histogram(
    "model_first_token_seconds",
    "Seconds until a model's first piece of text, retries included",
    ["provider"],
    buckets=(0.1, 0.2, 0.5, 1, 2, 3, 5, 7.5, 10, 20, 60),
)
model_breaker_open = Gauge(
    "model_breaker_open",
    "Processes that leave the provider alone",
    ["provider"],
    multiprocess_mode="livesum",
)

# Finding a labelled child costs more than observing it.
_children: dict[tuple[str, str, int], Histogram] = {}


def observe_request(method: str, route: str, status: int, milliseconds: float) -> None:
    """Count one request. `route` is the template (`/v1/cravings/{id}`), never the path."""
    key = (method, route, status)
    child = _children.get(key)
    if child is None:
        child = _children[key] = _requests.labels(method, route, str(status))
    child.observe(milliseconds)


def render(folder: str = "") -> bytes:
    """The metrics in Prometheus' text format; of every process that writes into `folder`."""
    if not folder:
        return generate_latest(PROCESS_REGISTRY)
    _forget_the_dead(Path(folder))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


@contextmanager
def served(host: str, port: int) -> Iterator[None]:
    """Answers Prometheus for a process without an HTTP server of its own; port 0: does not."""
    if not port:
        yield
        return
    server, thread = start_http_server(port, host)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _forget_the_dead(folder: Path) -> None:
    """What a process that was killed had open is open no more; what it counted stays counted."""
    for file in folder.glob("gauge_live*.db"):
        process = int(file.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):
                file.unlink()
        except PermissionError:
            continue
