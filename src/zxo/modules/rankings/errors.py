"""What boards refuse."""

from zxo.kit.errors import BadRequest, Forbidden


class RegionNotSet(BadRequest):
    """The caller has not said where they live, as far as this board needs it."""

    code, message = "region_not_set", "请先设置所在地区"


class NationalLocked(Forbidden):
    """The national board is for members."""

    code, message = "national_ranking_locked", "全国排名未开通，请兑换 VIP 权限"
