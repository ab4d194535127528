"""Who uses ZXO: profile, settings, and the progress that every check-in moves forward."""

from zxo.modules.users.errors import UserGone
from zxo.modules.users.events import ProfileChanged, SettingsChanged
from zxo.modules.users.models import COLUMNS, Settings, User
from zxo.modules.users.rules import tier_in_force
from zxo.modules.users.schemas import AvatarUrl, Nickname
from zxo.modules.users.service import find_or_create, get, get_settings, keep, lock, reload

__all__ = [
    "COLUMNS",
    "AvatarUrl",
    "Nickname",
    "ProfileChanged",
    "Settings",
    "SettingsChanged",
    "User",
    "UserGone",
    "find_or_create",
    "get",
    "get_settings",
    "keep",
    "lock",
    "reload",
    "tier_in_force",
]
