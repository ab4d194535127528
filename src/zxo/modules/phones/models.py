"""What is known of a code that was sent."""

import msgspec


class Ticket(msgspec.Struct, frozen=True):
    """The right code was given: good until it is used up, replaced or forgotten.

    `row` and `digest` are HMACs, of what the code is for and of the code in that row.
    """

    e164: str
    row: bytes
    digest: bytes
