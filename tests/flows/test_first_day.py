"""The main job, as a newcomer does it."""

from tests.factories import Visitor, data, refusal


async def test_a_newcomer_checks_in_sees_her_stars_makes_up_a_day_and_logs_a_craving(
    visitor: Visitor,
) -> None:
    alice = await visitor.log_in("alice")
    settings = await alice.put("/users/me/settings", dailyAmount=15, pricePerPack=25.5)
    assert data(settings)["pricePerPack"] == 25.5

    counted = data(await alice.post("/check-in"))
    assert counted["checkInDate"] == "2025-12-01"
    assert counted["currentRank"]["stars"] == 1
    assert refusal(await alice.post("/check-in"), 409) == "already_checked_in"

    made_up = data(await alice.post("/check-in/makeup", checkInDate="2025-11-30"))
    assert (made_up["totalDays"], made_up["consecutiveDays"], made_up["makeupCards"]) == (2, 2, 2)

    craving = data(await alice.post("/cravings", intensity=3, triggerType="stress"))
    assert craving["recordedHour"] == 9

    stats = data(await alice.get("/users/me/stats"))
    assert stats["cigarettesAvoided"] == 30
    assert stats["moneySaved"] == 38.25
    assert stats["last7DaysCheckIn"] == [False] * 5 + [True, True]
