"""Processes that end together: a child whose parent is gone stops, and leaves nothing behind."""

import os
import signal
import threading
import time
from contextlib import suppress

LOOK_SECONDS = 0.25


def follow_parent() -> None:
    """Ask this process to stop (SIGTERM) when its parent has died, however it died."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="follow-parent", daemon=True).start()


def end_group(leader: int) -> None:
    """Kill what is left of the process group that `leader` (our child) started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
