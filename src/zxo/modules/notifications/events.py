"""What happened to notices."""

from zxo.kit.outbox import Event


class Notified(Event, frozen=True):
    """Something came into the inbox of somebody who can be reached outside the app."""

    user_id: int
    notification_id: int
