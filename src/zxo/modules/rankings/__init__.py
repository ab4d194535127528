"""Boards: who has counted how many days, in the country and in every region."""

from zxo.modules.rankings.events import BoardMissed, RankChanged

__all__ = ["BoardMissed", "RankChanged"]
