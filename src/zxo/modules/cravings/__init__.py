"""Cravings: when the wish to smoke came, how strong it was, and what set it off."""
