"""What happened to notices."""

from zxo.kit.outbox import Event


class Notified(Event, frozen=True):
    """Something came into inboxes; `ids` are those of the notices."""

    ids: list[int]
