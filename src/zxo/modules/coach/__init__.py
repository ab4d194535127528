"""The coach: conversations about not smoking, with a model or without."""

from zxo.modules.coach.models import Usage
from zxo.modules.coach.service import usage_since

__all__ = ["Usage", "usage_since"]
