"""Secrets that nobody configured: made once, and kept in the data folder."""

import secrets
from contextlib import suppress
from pathlib import Path

from zxo import settings
from zxo.clients.web_push_crypto import make_key
from zxo.settings import Settings

DEVELOPMENT_SUBJECT = "mailto:developer@example.org"  # whom a push service would write to


def with_secrets(configured: Settings) -> Settings:
    """`configured` with a token secret and, outside production, every other key that it lacks.

    Kept, so that a restart signs nobody out and makes nothing unreadable.
    """
    made: dict[str, str] = {}
    folder = configured.data_dir
    if not configured.tokens.secret.get_secret_value():
        made["JWT_SECRET"] = _kept(folder / "jwt-secret", secrets.token_urlsafe(48))
    if not configured.production:
        made |= _for_development(configured, folder)
    return settings.load(**made) if made else configured


def _for_development(configured: Settings, folder: Path) -> dict[str, str]:
    made: dict[str, str] = {}
    if not configured.keys.index.get_secret_value():
        made["ZXO_INDEX_KEY"] = _kept(folder / "index-key", secrets.token_urlsafe(48))
    if not configured.keys.encryption:
        made["ZXO_ENCRYPTION_KEYS"] = _kept(folder / "encryption-key", secrets.token_urlsafe(48))
    if not configured.web_push.key.get_secret_value():
        made["WEB_PUSH_VAPID_KEY"] = _kept(folder / "web-push-key", make_key())
        made["WEB_PUSH_SUBJECT"] = configured.web_push.subject or DEVELOPMENT_SUBJECT
    return made


def _kept(path: Path, fresh: str) -> str:
    """Written beside its place and linked there: of two processes at once, both read the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    mine.touch(mode=0o600)
    mine.write_text(fresh)
    with suppress(FileExistsError):
        path.hardlink_to(mine)
    mine.unlink()
    return path.read_text()
