"""Boards: who has counted how many days, in the country and in every region."""

from zxo.modules.rankings.events import RankChanged

__all__ = ["RankChanged"]
