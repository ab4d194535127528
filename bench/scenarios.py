"""What is asked of a server, of whom, and how often."""

import http.client
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import nan
from statistics import median
from typing import Any

from bench.load import Address, Load, drive
from bench.servers import cores, on_core

READERS = 2_000  # who read, in turn; everybody else checks in, once
WARM_UP_SECONDS = 0.5
WARM_UP_CHECK_INS = 200


@dataclass(frozen=True)
class Route:
    """A request, the same for everybody but for the token."""

    name: str
    method: str
    path: str
    body: bytes = b""
    once: bool = False  # each person can do it once

    def requests(self, tokens: Iterator[bytes], host: str) -> Iterator[bytes]:
        """One request a token, ready to be sent."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"host: {host}"]
        if self.body:
            lines += ["content-type: application/json", f"content-length: {len(self.body)}"]
        start = ("\r\n".join([*lines, "authorization: Bearer "])).encode()
        end = b"\r\n\r\n" + self.body
        return (start + token + end for token in tokens)


EMPTY = Route("empty route", "GET", "/")
CHECK_IN = Route("POST /v1/check-in", "POST", "/v1/check-in", b"{}", once=True)
ROUTES = (
    Route("GET /v1/users/me", "GET", "/v1/users/me"),
    Route("GET /v1/check-in/today", "GET", "/v1/check-in/today"),
    CHECK_IN,
    Route(
        "POST /v1/cravings",
        "POST",
        "/v1/cravings",
        b'{"intensity":3,"triggerType":"stress"}',
    ),
)


class Server:
    """One server and its people. Routes that it does not know are left out."""

    def __init__(self, address: Address, tokens: list[bytes], rounds: int = 1) -> None:
        self.address = address
        readers = min(READERS, len(tokens) // 6) or 1
        self._readers, fresh = tokens[:readers], tokens[readers:]
        self._fresh = iter(fresh)
        self._warm_up_share = min(WARM_UP_CHECK_INS, len(fresh) // 10)
        self._round_share = max(0, len(fresh) - self._warm_up_share - 1) // rounds

    def measure(self, route: Route, seconds: float) -> Load:
        """One run. Every check-in is that of a person who has not checked in yet."""
        once = itertools.islice(self._fresh, self._round_share)
        tokens = once if route.once else itertools.cycle(self._readers)
        chosen = cores()
        with on_core(chosen[1] if chosen else None):
            return drive(self.address, route.requests(tokens, self.address.host), seconds)

    def warm_up(self, route: Route) -> None:
        """Run the code and fill the caches, as in a server that has been up for a while."""
        if route.once:
            few = itertools.islice(self._fresh, self._warm_up_share)
            drive(self.address, route.requests(few, self.address.host), WARM_UP_SECONDS)
        else:
            self.measure(route, WARM_UP_SECONDS)

    def knows(self, route: Route) -> bool:
        """Whether it answers the route with anything but 404 or 405."""
        tokens = self._fresh if route.once else iter(self._readers)
        one = itertools.islice(tokens, 1)
        load = drive(self.address, route.requests(one, self.address.host), 1, connections=1)
        return not load.errors.keys() & {"404", "405"}


@dataclass
class Series:
    """The rounds of one scenario."""

    name: str
    loads: list[Load] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return median(load.per_second for load in self.loads)

    @property
    def errors(self) -> int:
        return sum(load.errors.total() for load in self.loads)

    def percentile_ms(self, percent: float) -> float:
        return median(load.percentile_ms(percent) for load in self.loads)

    def ratio_to(self, other: "Series") -> float:
        """The median of the ratios round by round: what slows one round slows both."""
        pairs = zip(self.loads, other.loads, strict=True)
        return median(
            ours.per_second / theirs.per_second if theirs.answers else nan for ours, theirs in pairs
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "requests_per_second": round(self.per_second, 1),
            "p50_ms": round(self.percentile_ms(50), 3),
            "p99_ms": round(self.percentile_ms(99), 3),
            "errors": self.errors,
            "rounds": [
                {
                    "requests_per_second": round(load.per_second, 1),
                    "seconds": round(load.seconds, 3),
                    "answers": load.answers,
                    "errors": dict(load.errors),
                }
                for load in self.loads
            ],
        }


def one_by_one(address: Address, people: int) -> tuple[Series, Series]:
    """Log in `people` new people and check each in, one request at a time: what one feels."""
    log_ins, check_ins = Series("log-in (dev:NAME)"), Series("first check-in")
    log_ins.loads.append(Load())
    check_ins.loads.append(Load())
    connection = http.client.HTTPConnection(*address, timeout=10)
    for number in range(people):
        body = {"code": f"dev:bench{number}"}
        said = _ask(connection, log_ins.loads[0], "/v1/auth/wechat/login", body)
        token = said.get("data", {}).get("token", "")
        _ask(connection, check_ins.loads[0], CHECK_IN.path, {}, token)
    connection.close()
    return log_ins, check_ins


def _ask(
    connection: http.client.HTTPConnection, load: Load, path: str, body: Any, token: str = ""
) -> Any:
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    began = time.perf_counter()
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    load.latencies.append(time.perf_counter() - began)
    load.answers += 1
    load.seconds += load.latencies[-1]
    if answer.status != http.client.OK:
        load.errors[str(answer.status)] += 1
    return json.loads(text)
