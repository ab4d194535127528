"""The coach without a model: an answer from the evidence file, and the person's own figures."""

import re
from collections.abc import Iterator

import msgspec

from zxo.modules import checkins, evidence
from zxo.modules.coach import rules, safety
from zxo.modules.coach.matching import Match, Matcher
from zxo.modules.coach.models import Person

# Chosen on the questions of tests/modules/coach/paraphrases.toml, see test_matching.py there.
# A question that says no word of the subject must be explained much better to be answered.
_ENOUGH, _ENOUGH_OFF_SUBJECT = 0.12, 0.42
# Below these (or that close to another entry) the answer says what it takes the question for.
_CLEAR, _CLEAR_LEAD = 0.15, 0.05
# From these on a model need not be asked.
_SURE, _SURE_LEAD = 0.3, 0.12

_DAY = 24 * 60
_FIGURE = re.compile(r"\{(\w+)\}")

_NO_ANSWER = (
    "这个问题我没有把握，就不乱说了。\n"
    "您可以换个说法，或者问我：烟瘾来了怎么办、戒烟药有没有用、我什么时候最容易想抽。\n"
    "想和真人聊戒烟，可以拨 400-888-5531、400-808-5531 或 12320；身体不舒服请看医生。"
)
_UNSURE = "我猜您想问的是“{topic}”，要是不对，换个说法再问我一次。\n"

_MATCHER = Matcher(
    {entry.id: entry.questions for entry in evidence.ENTRIES.values()},
    evidence.WORDS,
    evidence.SUBJECT,
    evidence.ELSEWHERE,
)


class BuiltInAnswer(msgspec.Struct, frozen=True):
    """`entry`: of the evidence file, or the concern that `safety` found; None: no answer is known.

    `confident`: so sure that a model need not be asked. `sources`: ids of the evidence file.
    """

    text: str
    entry: str | None
    confident: bool
    sources: tuple[str, ...]


def answer(question: str, person: Person) -> BuiltInAnswer:
    """What the evidence file says to `question`; a word of danger gets its fixed answer first."""
    return fixed(question) or matched(question, person)


def fixed(question: str) -> BuiltInAnswer | None:
    """The answer to somebody in danger, to doses and to diagnoses; None: it may be answered."""
    concern = safety.concern(question)
    if concern is None:
        return None
    return BuiltInAnswer(safety.ANSWERS[concern], concern, True, safety.SOURCES[concern])


def matched(question: str, person: Person) -> BuiltInAnswer:
    """What the evidence file says to a question that has no fixed answer."""
    match = _MATCHER.best(question)
    if match is None or not _is_enough(match):
        return BuiltInAnswer(_NO_ANSWER, None, False, ("china-quitlines",))
    entry = evidence.ENTRIES[match.name]
    clear = match.score >= _CLEAR and match.lead >= _CLEAR_LEAD
    # Our own topic, never what the person typed, goes into the sentence.
    opening = "" if clear else _UNSURE.replace("{topic}", entry.topic)
    sure = match.score >= _SURE and match.lead >= _SURE_LEAD
    return BuiltInAnswer(opening + _filled(entry, person), entry.id, sure, entry.sources)


def _is_enough(match: Match) -> bool:
    return match.score >= (_ENOUGH if match.on_subject else _ENOUGH_OFF_SUBJECT)


def _filled(entry: evidence.Entry, person: Person) -> str:
    """The lines of the entry whose figures are all known of the person."""
    figures = dict(_figures(person))
    lines = entry.text.strip().split("\n")
    asking = [line for line in lines if _FIGURE.search(line)]
    unknown = [line for line in asking if not figures.keys() >= set(_FIGURE.findall(line))]
    told = [
        _FIGURE.sub(lambda found: figures[found[1]], line) for line in lines if line not in unknown
    ]
    if entry.otherwise and unknown == asking:
        told.insert(0, entry.otherwise)
    return "\n".join(told)


def _figures(person: Person) -> Iterator[tuple[str, str]]:
    """Name and value of what is known of the person; what is nothing yet is not told."""
    if person.total_days:
        yield "total_days", str(person.total_days)
        yield "consecutive_days", str(person.consecutive_days)
        yield "tier", person.tier
        yield "stars", str(person.stars)
    for name in ("smoking_years", "daily_amount"):
        if value := getattr(person, name):
            yield name, str(value)
    if person.total_days and person.daily_amount:
        # As the person's statistics say it.
        avoided = checkins.cigarettes_avoided(person.total_days, person.daily_amount)
        yield "avoided", str(avoided)
        yield "life", _duration(checkins.extra_life_minutes(avoided))
    yield from _since_quitting(person)
    yield from _of_cravings(person)


def _since_quitting(person: Person) -> Iterator[tuple[str, str]]:
    if not person.quit_days:
        return
    yield "quit_days", str(person.quit_days)
    minutes = person.quit_days * _DAY
    for milestone in evidence.MILESTONES:
        if milestone.starts > minutes:
            yield "next_when", milestone.when
            yield "next_title", milestone.title
            break


def _of_cravings(person: Person) -> Iterator[tuple[str, str]]:
    if not person.cravings:
        return
    yield "cravings", str(person.cravings)
    if person.peak_hours:
        yield "peak_hours", "、".join(map(str, person.peak_hours)) + " 点"
    if person.hour in person.peak_hours:
        yield "peak_now", str(person.hour)
    counted = [f"{rules.TRIGGERS[kind]} {often} 次" for kind, often in person.triggers if often]
    if counted:
        yield "triggers", "、".join(counted)


def _duration(minutes: int) -> str:
    days, rest = divmod(minutes, _DAY)
    hours = rest // 60
    return f"{days} 天 {hours} 小时" if days else f"{hours} 小时" if hours else f"{minutes} 分钟"
