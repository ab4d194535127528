"""The log of this process as it would be written, caught for a test."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from zxo.kit import logging as kit_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def captured(level: str = "DEBUG", *, terminal: bool = False) -> Iterator[io.StringIO]:
    """Everything that is logged inside the block; afterwards logging is as it was."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, before = root.handlers, root.level
    stream = Terminal() if terminal else io.StringIO()
    kit_logging.configure(level, role="test", stream=stream)
    try:
        yield stream
    finally:
        root.handlers = handlers
        root.setLevel(before)
        structlog.configure(**config)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """One object a line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]
