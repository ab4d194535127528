"""The documentation as it was last agreed on.

Write it anew, and read the difference before it is committed:

    .venv/bin/python -m tests.contract.snapshot
"""

import json
from pathlib import Path
from typing import Any

from zxo import api
from zxo.settings import Settings

PATH = Path(__file__).with_name("openapi.json")


def current() -> dict[str, Any]:
    """What /openapi.json serves, but for the version, which is no part of the contract."""
    document = api.create_app(Settings(env="test")).openapi()
    return {**document, "info": {**document["info"], "version": ""}}


def as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    PATH.write_text(as_text(current()))
