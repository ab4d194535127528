"""China's divisions from province to district: `divisions.json`, read on first use and kept.

A division is named by its path, as people and region pickers say it: 北京市/北京市/朝阳区,
湖北省/仙桃市, 广东省/东莞市/虎门镇. README.md tells what the list holds, and where it comes from.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

Level = Literal["province", "city", "district"]
LEVELS: tuple[Level, ...] = ("province", "city", "district")

# Headings of the statistical list that stand where a city would. Region pickers (WeChat's too)
# pass them on, but nobody lives in a city of that name.
_HEADINGS = frozenset({"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"})


class Division(msgspec.Struct, frozen=True):
    """`parts` are the divisions directly inside, by name; a code has 2, 4, 6 or 9 digits."""

    code: str
    name: str
    parts: Mapping[str, "Division"]


class Path(NamedTuple):
    """The names from the province down, `None` from the first level that is not given."""

    province: str | None
    city: str | None = None
    district: str | None = None


class DivisionSource(msgspec.Struct, frozen=True, rename="camel"):
    """Where the list comes from. `as_of` is its cut-off day, `amended_to` the last later change."""

    title: str
    publisher: str
    edition: str
    as_of: str
    published: str
    url: str
    amended_to: str


class _File(msgspec.Struct, frozen=True):
    source: DivisionSource
    former: dict[str, str]
    provinces: list[tuple[str, str, list[tuple[str, str, dict[str, str]]]]]


class _Table(NamedTuple):
    source: DivisionSource
    former: frozenset[str]
    provinces: Mapping[str, Division]
    by_code: Mapping[str, Division]


def is_division(province: str, city: str | None = None, district: str | None = None) -> bool:
    """Whether the list holds exactly this path; see `canonical` for the spellings of pickers."""
    return first_unknown(Path(province, city, district)) is None


def first_unknown(path: Path) -> Level | None:
    """The level at which `path` leaves the list, or which is missing above a given one."""
    inside, missing = _table().provinces, None
    for level, name in zip(LEVELS, path, strict=True):
        if name is None:
            missing = missing or level
        elif missing or name not in inside:
            return missing or level
        else:
            inside = inside[name].parts
    return None


def canonical(path: Path) -> Path:
    """`path` without the headings of the statistical list; any other path as it is.

    重庆市/县/云阳县 is 重庆市/重庆市/云阳县, and 湖北省/省直辖县级行政区划/仙桃市 is 湖北省/仙桃市:
    one place has one path, and so one board.
    """
    if path.province is None or path.city not in _HEADINGS:
        return path
    if is_division(path.province, path.province):
        return path._replace(city=path.province)
    county = _lookup((path.province, path.district)) if path.district else None
    return path if county is None or county.parts else Path(path.province, county.name)


def children(path: tuple[str, ...] = ()) -> list[Division]:
    """The divisions directly inside, in the order of their codes; the provinces inside `()`.

    Empty where there is no such division, or nothing in it. Abolished ones are not offered.
    """
    if not path:
        return _offered(_table().provinces)
    division = _lookup(path)
    return _offered(division.parts) if division else []


def children_of(code: str) -> list[Division] | None:
    """Like `children`, by code; `None` where no division has it."""
    division = _table().by_code.get(code)
    return None if division is None else _offered(division.parts)


def source() -> DivisionSource:
    """Publisher, edition and cut-off day of the list in use."""
    return _table().source


def _lookup(path: tuple[str, ...]) -> Division | None:
    inside, found = _table().provinces, None
    for name in path:
        found = inside.get(name)
        if found is None:
            return None
        inside = found.parts
    return found


def _offered(parts: Mapping[str, Division]) -> list[Division]:
    former = _table().former
    return [part for part in parts.values() if part.code not in former]


@cache
def _table() -> _Table:
    packaged = resources.files("zxo.modules.regions").joinpath("divisions.json")
    file = msgspec.json.decode(packaged.read_bytes(), type=_File)
    provinces = _by_name(
        Division(code, name, _by_name(_city(*city) for city in cities))
        for code, name, cities in file.provinces
    )
    by_code = {division.code: division for division in _walk(provinces)}
    return _Table(file.source, frozenset(file.former), provinces, by_code)


_NOTHING: Mapping[str, Division] = MappingProxyType({})


def _city(code: str, name: str, districts: dict[str, str]) -> Division:
    inside = _by_name(Division(code, name, _NOTHING) for code, name in districts.items())
    return Division(code, name, inside or _NOTHING)


def _by_name(divisions: Iterator[Division]) -> dict[str, Division]:
    return {division.name: division for division in divisions}


def _walk(divisions: Mapping[str, Division]) -> Iterator[Division]:
    for division in divisions.values():
        yield division
        yield from _walk(division.parts)
