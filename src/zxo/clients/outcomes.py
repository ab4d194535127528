"""How the attempt to send somebody a message ended."""

from enum import Enum, auto


class Outcome(Enum):
    """Nothing here is an error of ours: whoever sends decides what it means for what is stored."""

    SENT = auto()
    NOT_SENT = auto()  # certainly: refused, or the service was not reached
    NO_CREDIT = auto()  # not sent: the person has not agreed to this message
    GONE = auto()  # not sent, and this address will never take a message again
    UNCERTAIN = auto()  # the answer was lost; it may have been sent
