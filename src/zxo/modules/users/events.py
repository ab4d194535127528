"""What happened to a person's own data."""

from zxo.kit.outbox import Event


class ProfileChanged(Event, frozen=True):
    """Nickname, avatar or region are others than before.

    `region_before`: province, city, district and street before the change; null in events that an
    older version wrote.
    """

    user_id: int
    version: int
    region_before: tuple[str | None, str | None, str | None, str | None] | None = None


class SettingsChanged(Event, frozen=True):
    """A setting is another than before; among them whether the person shows on boards."""

    user_id: int
    version: int


class PhoneChanged(Event, frozen=True):
    """Another phone number is bound than before, or none."""

    user_id: int
    version: int
