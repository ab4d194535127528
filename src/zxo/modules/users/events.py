"""What happened to a person's own data."""

from zxo.kit.outbox import Event


class ProfileChanged(Event, frozen=True):
    """Nickname, avatar or region are others than before."""

    user_id: int
    version: int


class SettingsChanged(Event, frozen=True):
    """A setting is another than before; among them whether the person shows on boards."""

    user_id: int
    version: int
