"""Operators: who may work behind the scenes, and what each of them did."""

from zxo.modules.operators.errors import (
    OperatorNameTaken,
    OperatorSessionEnded,
    RoleTooLow,
    TotpNotEnrolled,
    WeakPassword,
)
from zxo.modules.operators.guards import (
    OperatorRoute,
    RequireOperator,
    RequireOwner,
    RequireViewer,
)
from zxo.modules.operators.models import Acting, Entry, Operator
from zxo.modules.operators.rules import ROLES, Role
from zxo.modules.operators.schemas import NewOperatorBody
from zxo.modules.operators.service import create, note, record
from zxo.modules.operators.sessions import TOTP_BOUND_TO

__all__ = [
    "ROLES",
    "TOTP_BOUND_TO",
    "Acting",
    "Entry",
    "NewOperatorBody",
    "Operator",
    "OperatorNameTaken",
    "OperatorRoute",
    "OperatorSessionEnded",
    "RequireOperator",
    "RequireOwner",
    "RequireViewer",
    "Role",
    "RoleTooLow",
    "TotpNotEnrolled",
    "WeakPassword",
    "create",
    "note",
    "record",
]
