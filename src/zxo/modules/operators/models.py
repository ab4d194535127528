"""What is known of an operator."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from zxo.modules.operators.rules import Role


class Operator(msgspec.Struct, frozen=True):
    """A row of operators, in the order of COLUMNS."""

    id: int
    name: str
    role: Role
    password_hash: str
    totp_ciphertext: str | None
    totp_confirmed_at: datetime | None
    disabled_at: datetime | None
    created_at: datetime

    @property
    def has_totp(self) -> bool:
        return self.totp_confirmed_at is not None


COLUMNS = ", ".join(Operator.__struct_fields__)


class Acting(msgspec.Struct, frozen=True):
    """An operator who is signed in, and from where. `id` is None at the command line."""

    id: int | None
    name: str
    role: Role
    address: str
    request_id: str
    token_hash: bytes = b""


class Entry(msgspec.Struct, frozen=True):
    """A line of the audit. `target`: what it was done to, as `user:7`. No secrets in `details`."""

    action: str
    target: str | None = None
    details: Mapping[str, Any] = {}


class Audited(msgspec.Struct, frozen=True):
    """A stored line, in the order of the query's columns. `details` is JSON."""

    id: int
    operator_id: int | None
    operator_name: str
    action: str
    target: str | None
    details: msgspec.Raw
    address: str
    request_id: str
    created_at: datetime


class SignedIn(msgspec.Struct, frozen=True):
    """What a log-in gives. `enrolling`: the token is good for setting up a second factor only."""

    token: str
    operator: Operator
    enrolling: bool
