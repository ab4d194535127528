"""Operators of every role, signed in."""

from tests.modules.operators.conftest import quick_hashes, sign_in

__all__ = ["quick_hashes", "sign_in"]
