"""What happened in the inbox."""

from zxo.kit.outbox import Event


class Notified(Event, frozen=True):
    """A notice was stored for somebody who can be reached outside of the app."""

    user_id: int
    notification_id: int
