"""Who uses ZXO: profile, settings, and the progress that every check-in moves forward."""

from zxo.modules.users.errors import PhoneTaken, UserGone
from zxo.modules.users.events import PhoneChanged, ProfileChanged, SettingsChanged
from zxo.modules.users.models import COLUMNS, Settings, User
from zxo.modules.users.rules import mask_phone, tier_in_force
from zxo.modules.users.schemas import AvatarUrl, Nickname
from zxo.modules.users.service import (
    PHONE_BOUND_TO,
    acceptable,
    find_or_create,
    find_or_create_by_phone,
    get,
    get_settings,
    keep,
    lock,
    masked_phone,
    reload,
    set_phone,
)

__all__ = [
    "COLUMNS",
    "PHONE_BOUND_TO",
    "AvatarUrl",
    "Nickname",
    "PhoneChanged",
    "PhoneTaken",
    "ProfileChanged",
    "Settings",
    "SettingsChanged",
    "User",
    "UserGone",
    "acceptable",
    "find_or_create",
    "find_or_create_by_phone",
    "get",
    "get_settings",
    "keep",
    "lock",
    "mask_phone",
    "masked_phone",
    "reload",
    "set_phone",
    "tier_in_force",
]
