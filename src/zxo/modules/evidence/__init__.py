"""What is known about smoking and stopping: claims in our own words, each with its source."""

from zxo.modules.evidence.claims import ALL, Evidence, faults, read
from zxo.modules.evidence.models import Claim, Difference, Entry, Milestone, Source

SOURCES = {source.id: source for source in ALL.sources}
MILESTONES = ALL.milestones
CLAIMS = {claim.id: claim for claim in ALL.claims}
ENTRIES = {entry.id: entry for entry in ALL.entries}
WORDS = ALL.words
SUBJECT = ALL.subject
ELSEWHERE = ALL.elsewhere

__all__ = [
    "ALL",
    "CLAIMS",
    "ELSEWHERE",
    "ENTRIES",
    "MILESTONES",
    "SOURCES",
    "SUBJECT",
    "WORDS",
    "Claim",
    "Difference",
    "Entry",
    "Evidence",
    "Milestone",
    "Source",
    "faults",
    "read",
]
