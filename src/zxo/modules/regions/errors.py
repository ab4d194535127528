"""What regions refuse."""

from zxo.kit.errors import BadRequest, NotFound


class UnknownRegion(BadRequest):
    """The names are no path of the packaged list of divisions."""

    code, message = "unknown_region", "地区不存在，请重新选择"

    def __init__(self, level: str) -> None:
        reason = "missing, or not in the list of divisions"
        fields = [{"field": level, "reason": reason}]
        super().__init__(f"{level}: {reason}", data={"fields": fields})


class NoSuchDivision(NotFound):
    """No division has this code."""

    code, message = "division_not_found", "地区不存在"
