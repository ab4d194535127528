"""What the coach knows and says."""

import msgspec


class Person(msgspec.Struct, frozen=True):
    """What the coach knows of the person: numbers and words of ours, nothing that was typed.

    `quit_days`: whole days since the last cigarette; None: unknown. `smoking_years`,
    `daily_amount` (cigarettes): None: not told. `cravings`, `peak_hours` (0 to 23, up to three, in
    the order of the day) and `triggers` (stress, social, habit, other: how often) are of the last
    seven days. `hour`: of the clock where the person lives.
    """

    total_days: int
    consecutive_days: int
    tier: str
    stars: int
    quit_days: int | None = None
    smoking_years: int | None = None
    daily_amount: int | None = None
    cravings: int = 0
    peak_hours: tuple[int, ...] = ()
    triggers: tuple[tuple[str, int], ...] = ()
    hour: int = 12
