"""Which failures mean that Valkey is away, as opposed to a mistake of the program."""

from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as NoAnswer

# A fail-over leaves us on a replica that takes no writes; a loading server is a lost connection.
# Not OSError: those of a connection come as LostConnection, any other is not Valkey's.
AWAY = (
    LostConnection,
    NoAnswer,
    ReadOnlyError,
    MasterDownError,
    ClusterDownError,
    TryAgainError,
    OutOfMemoryError,
)
