"""Bodies of the routes under /admin about operators themselves."""

import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from zxo.kit.web import Body, Reply
from zxo.modules.operators.models import Audited, Operator, SignedIn
from zxo.modules.operators.rules import Role


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(_printable),
]
# What is too long for bcrypt is refused as a weak password, with the reason.
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Code = Annotated[str, StringConstraints(pattern="^[0-9]{6}$")]


class LogInBody(Body):
    name: Name
    password: Password
    totp: Code | None = None


class PasswordBody(Body):
    password: Password
    new_password: Password


class ConfirmBody(Body):
    code: Code


class NewOperatorBody(Body):
    name: Name
    role: Role
    password: Password


class OperatorBody(Body):
    """Named fields change. `resetTotp`: the second factor is to be set up anew."""

    role: Role | None = None
    disabled: StrictBool | None = None
    reset_totp: Annotated[StrictBool, Field()] = False


class OperatorReply(Reply, frozen=True):
    id: int
    name: str
    role: str
    totp_enrolled: bool
    disabled_at: datetime.datetime | None
    created_at: datetime.datetime

    @classmethod
    def of(cls, operator: Operator) -> Self:
        return cls(
            id=operator.id,
            name=operator.name,
            role=operator.role,
            totp_enrolled=operator.has_totp,
            disabled_at=operator.disabled_at,
            created_at=operator.created_at,
        )


class SignedInReply(Reply, frozen=True):
    """With `mustEnroll` the token is good for /admin/totp and /admin/totp/confirm only."""

    token: str
    must_enroll: bool
    operator: OperatorReply

    @classmethod
    def of(cls, signed_in: SignedIn) -> Self:
        return cls(signed_in.token, signed_in.enrolling, OperatorReply.of(signed_in.operator))


class TotpReply(Reply, frozen=True):
    """Told once. `uri` is what the QR code says to an authenticator."""

    secret: str
    uri: str


class OperatorList(Reply, frozen=True):
    operators: list[OperatorReply]


class AuditReply(Reply, frozen=True):
    """`operatorId` is null for the command line; `target` as `user:7`."""

    id: int
    operator_id: int | None
    operator_name: str
    action: str
    target: str | None
    details: dict[str, Any]
    address: str
    request_id: str
    created_at: datetime.datetime

    @classmethod
    def of(cls, line: Audited) -> Self:
        return cls(
            id=line.id,
            operator_id=line.operator_id,
            operator_name=line.operator_name,
            action=line.action,
            target=line.target,
            details=msgspec.json.decode(line.details),
            address=line.address,
            request_id=line.request_id,
            created_at=line.created_at,
        )


class AuditList(Reply, frozen=True):
    """Newest first."""

    entries: list[AuditReply]
    next_cursor: str | None
