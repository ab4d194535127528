"""What other modules and the route ask of the list of divisions."""

from zxo.modules.regions import rules
from zxo.modules.regions.errors import NoSuchDivision, UnknownRegion
from zxo.modules.regions.rules import Division, Path


def check_path(province: str | None, city: str | None = None, district: str | None = None) -> Path:
    """The one spelling of this path that is stored and compared; the lower levels may be absent.

    Raises UnknownRegion, which names the level at fault, where there is no such place.
    """
    path = rules.canonical(Path(province, city, district))
    level = rules.first_unknown(path)
    if level is not None:
        raise UnknownRegion(level)
    return path


def list_children(parent: str | None) -> list[Division]:
    """The divisions inside the one whose code is `parent`; the provinces where it is `None`.

    Raises NoSuchDivision.
    """
    found = rules.children() if parent is None else rules.children_of(parent)
    if found is None:
        raise NoSuchDivision
    return found
