"""Why something that people are told is refused."""

from zxo.kit.errors import AppError


class UpgradeRequired(AppError):
    """This address speaks WebSocket only."""

    status, code, message = 426, "upgrade_required", "请使用 WebSocket 连接"

    def __init__(self) -> None:
        super().__init__(headers={"Upgrade": "websocket", "Connection": "Upgrade"})
