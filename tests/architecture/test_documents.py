"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

NAMED = re.compile(r"`((?:src|tests|docs)/[\w/.-]+|requirements\.lock)`")
LINKS = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = LINKS.findall(document.read_text("utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]


def test_the_matrix_of_security_names_what_there_is() -> None:
    named = NAMED.findall((ROOT / "docs/security-matrix.md").read_text("utf-8"))
    assert len(named) > 100
    assert not sorted({path for path in named if not (ROOT / path).exists()})
