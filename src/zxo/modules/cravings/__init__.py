"""Cravings: when the wish to smoke came, how strong it was, and what set it off."""

from zxo.modules.cravings.models import Pattern
from zxo.modules.cravings.service import pattern

__all__ = ["Pattern", "pattern"]
