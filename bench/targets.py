"""Two servers that do nothing, to measure against: `python -m bench.targets granian|bytes PORT`.

`granian` is a bare ASGI application under the server that the API runs on, with the same
settings: the most that any route can reach. `bytes` answers whatever comes with ready bytes: the
most that the load generator can send.
"""

import asyncio
import sys
from typing import Any, cast

import uvloop
from granian.constants import HTTPModes, Interfaces, Loops
from granian.server import Server

from zxo.kit import lifeline

HOST = "127.0.0.1"
BODY = b'{"code":200,"message":"success","data":null,"timestamp":1764550800000}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


async def empty(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The route that does nothing."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await send(START)
    await send({"type": "http.response.body", "body": BODY})


async def _live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def granian_application() -> Any:
    """What each server process loads."""
    lifeline.follow_parent()
    return empty


def serve_granian(port: int) -> None:
    """As `zxo.api.serve` does, with one worker."""
    Server(
        "bench.targets:granian_application",
        factory=True,
        address=HOST,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        loop=Loops.uvloop,
        workers=1,
        websockets=True,
        backlog=2048,
        log_enabled=False,
    ).serve()


class _Bytes(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _: bytes) -> None:
        self._transport.write(ANSWER)


async def _serve_bytes(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Bytes, HOST, port)
    await server.serve_forever()


def main() -> None:
    lifeline.follow_parent()
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "granian":
        serve_granian(port)
    else:
        uvloop.run(_serve_bytes(port))


if __name__ == "__main__":
    main()
