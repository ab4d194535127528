"""A process that owns the services, and short ways to ask the servers."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import redis

import zxo
from zxo.embedded import Endpoints

FAST = {"fsync": "off"}
ROOT = os.geteuid() == 0
IMPORTS = os.pathsep.join([str(Path(zxo.__file__).parents[1]), *sys.path])
OWNER = """
import sys, time, pathlib
from zxo.embedded import services
with services(pathlib.Path(sys.argv[1]), say=lambda line: print(line, flush=True)):
    print("up", flush=True)
    time.sleep(600)
"""


@contextmanager
def owner(data_dir, until="up"):
    """Another process that owns the services; ours again once it has said `until`."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)],
        env={**os.environ, "PYTHONPATH": IMPORTS},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    with process:
        try:
            assert any(until in line for line in process.stdout)
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def sql(ends: Endpoints, statement: str) -> object:
    async def ask():
        connection = await asyncpg.connect(ends.database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def valkey(ends: Endpoints, *command: str) -> object:
    with redis.from_url(ends.redis_url, decode_responses=True) as client:
        return client.execute_command(*command)


def server_pids(ends: Endpoints) -> list[int]:
    postmaster = (ends.data_dir / "postgres/postmaster.pid").read_text().splitlines()[0]
    return [int(postmaster), valkey(ends, "INFO", "server")["process_id"]]


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run_folder(ends: Endpoints) -> Path:
    return Path(ends.redis_url.removeprefix("unix://")).parent
