"""Which failures mean that Valkey is away, as opposed to a mistake of the program."""

from redis.asyncio.connection import DefaultParser
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as NoAnswer


class TakesNoWrites(ResponseError):
    """It has lost its replicas, or cannot save, and is configured to write nothing then."""


# What redis-py makes of the first word of a refusal. It knows no class for these two.
DefaultParser.EXCEPTION_CLASSES.update(NOREPLICAS=TakesNoWrites, MISCONF=TakesNoWrites)

# A fail-over leaves us on a replica that takes no writes; a loading server is a lost connection.
# Not OSError: those of a connection come as LostConnection, any other is not Valkey's.
AWAY = (
    LostConnection,
    NoAnswer,
    ReadOnlyError,
    TakesNoWrites,
    MasterDownError,
    ClusterDownError,
    TryAgainError,
    OutOfMemoryError,
)
