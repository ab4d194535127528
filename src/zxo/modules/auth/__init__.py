"""Who is calling: log-in, tokens, and the sessions behind them."""
