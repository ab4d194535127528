"""A provider of language models that writes in each piece when it was sent (monotonic ns)."""

import asyncio
import json
import re
import sys
import time

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
MARK = "|"


def _event(**chunk: object) -> bytes:
    data = f"data: {json.dumps(chunk)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def _delta(text: str, finish: str | None = None) -> bytes:
    return _event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": finish}])


async def main(port: int) -> None:
    """Serve until killed. The question says how: `PIECES INTERVAL_MS`, at its end."""
    server = await asyncio.start_server(_serve, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = _LENGTH.search(head)
            body = json.loads(await reader.readexactly(int(found[1]) if found else 0))
            pieces, interval = body["messages"][-1]["content"].split()[-2:]
            await _answer(writer, int(pieces), float(interval) / 1000)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _answer(writer: asyncio.StreamWriter, pieces: int, interval: float) -> None:
    writer.write(_HEAD)
    for _ in range(pieces):
        writer.write(_delta(f"{time.monotonic_ns()}{MARK}"))
        await writer.drain()
        if interval:
            await asyncio.sleep(interval)
    usage = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}
    done = b"data: [DONE]\n\n"
    end = [_delta("", "stop"), _event(choices=[], usage=usage)]
    writer.write(b"".join([*end, b"%x\r\n%b\r\n" % (len(done), done), b"0\r\n\r\n"]))
    await writer.drain()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[-1])))
