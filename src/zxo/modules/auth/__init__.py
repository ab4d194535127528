"""Who is calling: log-in, tokens, and the sessions behind them."""

from zxo.modules.auth.service import end_all_sessions, have_ended

__all__ = ["end_all_sessions", "have_ended"]
