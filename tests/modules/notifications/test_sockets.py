from fastapi import FastAPI
from tests.factories import Visitor
from tests.modules.notifications.socket_client import connected, tell
from zxo.context import Context

async def test_first(app: FastAPI, ctx: Context, alice: Visitor):
    async with connected(app, alice) as one:
        await tell(ctx, alice, "a", "b")
        assert (await one.event())["data"] == {"text": "a"}
        assert (await one.event())["data"] == {"text": "b"}
        assert await one.resume(0) == 0
        assert len(await one.ids(2)) == 2
        one.say_bytes(b"x")
        assert await one.end() == (1003, "binary_message")
