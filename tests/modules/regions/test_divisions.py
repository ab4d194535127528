"""The packaged list: complete, unambiguous, and read only when it is needed."""

import subprocess
import sys
import time
import tracemalloc
import unicodedata
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest

from zxo.modules import regions
from zxo.modules.regions import rules
from zxo.modules.regions.rules import Division

PROVINCES = """
北京市 天津市 上海市 重庆市 香港特别行政区 澳门特别行政区
内蒙古自治区 广西壮族自治区 西藏自治区 宁夏回族自治区 新疆维吾尔自治区
河北省 山西省 辽宁省 吉林省 黑龙江省 江苏省 浙江省 安徽省 福建省 江西省 山东省 河南省
湖北省 湖南省 广东省 海南省 四川省 贵州省 云南省 陕西省 甘肃省 青海省 台湾省
"""

# Counted by the Bureau of Statistics beside the register of the Ministry of Civil Affairs.
ISLAND_GROUPS = {"460321", "460322", "460323"}
STATISTICAL_AREAS = {"232761", "232762", "232763", "232764", "632857"}


def walk(*path: str) -> Iterator[tuple[tuple[str, ...], Division]]:
    """Every division that is offered below `path`, with its own path."""
    for division in regions.children(path):
        here = (*path, division.name)
        yield here, division
        yield from walk(*here)


def names(*path: str) -> list[str]:
    return [division.name for division in regions.children(path)]


def code_of(*path: str) -> str:
    return next(d.code for d in regions.children(path[:-1]) if d.name == path[-1])


def test_all_34_provinces_are_listed() -> None:
    assert sorted(names()) == sorted(PROVINCES.split())


def test_counts_agree_with_the_source() -> None:
    levels = Counter(len(path) for path, _ in walk())
    # 392 cities: 333 prefectures, 4 municipalities, 33 counties directly under a province, 20 of
    # Taiwan, Hong Kong, Macau. 3,414 districts less the two former ones.
    assert levels == {1: 34, 2: 392, 3: 3412}


def test_prefectures_of_the_mainland_are_333() -> None:
    mainland = [d for path, d in walk() if len(path) == 2 and d.code < "7"]
    assert sum(len(d.code) == 4 for d in mainland) - 4 == 333


def test_county_level_agrees_with_the_register_of_2026() -> None:
    codes = {d.code for _, d in walk() if d.code < "7" and len(d.code) == 6}
    zones = {code for code in codes if "71" <= code[4:] < "80"}
    assert len(zones) == 124
    assert len(codes - zones - ISLAND_GROUPS - STATISTICAL_AREAS) == 2847


def test_codes_are_unique_and_below_their_province() -> None:
    codes = Counter(division.code for _, division in walk())
    assert codes.most_common(1)[0][1] == 1
    assert all(code.isdigit() and len(code) in {2, 4, 6, 9} for code in codes)
    assert all(d.code.startswith(code_of(path[0])) for path, d in walk())


def test_every_district_lies_in_the_city_that_its_code_names() -> None:
    for path, city in walk():
        if len(path) == 2:
            shared = "50" if city.name == "重庆市" else city.code  # its counties have 5002..
            assert all(part.code.startswith(shared) for part in city.parts.values()), path


def test_no_name_stands_twice_in_one_place() -> None:
    packaged = rules.resources.files("zxo.modules.regions").joinpath("divisions.json")
    for _, _, cities in msgspec.json.decode(packaged.read_bytes())["provinces"]:
        assert len({name for _, name, _ in cities}) == len(cities)
        for _, _, districts in cities:
            assert len(set(districts.values())) == len(districts)


def test_names_are_plain_chinese_in_normal_form() -> None:
    for path, division in walk():
        assert all("\u3400" <= char <= "\u9fff" for char in division.name), path
        assert unicodedata.normalize("NFC", division.name) == division.name
        assert division.name not in {"市辖区", "县"}
        assert "直辖县级" not in division.name


@pytest.mark.parametrize("name", ["北京市", "天津市", "上海市", "重庆市"])
def test_a_municipality_is_its_own_only_city(name: str) -> None:
    assert names(name) == [name]


def test_the_counties_of_chongqing_stand_beside_its_districts() -> None:
    assert {"渝中区", "云阳县", "酉阳土家族苗族自治县"} <= set(names("重庆市", "重庆市"))


@pytest.mark.parametrize(
    ("province", "city", "code"),
    [
        ("河南省", "济源市", "419001"),
        ("湖北省", "仙桃市", "429004"),
        ("湖北省", "神农架林区", "429021"),
        ("海南省", "五指山市", "469001"),
        ("海南省", "琼中黎族苗族自治县", "469030"),
        ("新疆维吾尔自治区", "石河子市", "659001"),
        ("新疆维吾尔自治区", "草湖市", "659013"),
    ],
)
def test_a_county_directly_under_a_province_is_a_city(province: str, city: str, code: str) -> None:
    assert code_of(province, city) == code
    assert names(province, city) == []


@pytest.mark.parametrize(
    ("city", "towns", "example"),
    [
        (("广东省", "东莞市"), 36, "虎门镇"),
        (("广东省", "中山市"), 23, "小榄镇"),
        (("海南省", "儋州市"), 18, "那大镇"),
        (("甘肃省", "嘉峪关市"), 5, "雄关街道"),
    ],
)
def test_a_city_without_districts_has_its_towns(
    city: tuple[str, str], towns: int, example: str
) -> None:
    assert len(names(*city)) == towns
    assert example in names(*city)


def test_sansha_has_its_two_districts_and_its_island_groups() -> None:
    assert names("海南省", "三沙市")[:2] == ["西沙区", "南沙区"]
    assert len(names("海南省", "三沙市")) == 5


@pytest.mark.parametrize(
    ("region", "districts", "example"),
    [("香港特别行政区", 18, "中西区"), ("澳门特别行政区", 8, "花地玛堂区")],
)
def test_a_special_region_is_its_own_only_city(region: str, districts: int, example: str) -> None:
    assert names(region) == [region]
    assert len(names(region, region)) == districts
    assert example in names(region, region)


def test_taiwan_has_twenty_cities_and_kinmen_is_in_fujian() -> None:
    assert len(names("台湾省")) == 20
    assert "板桥区" in names("台湾省", "新北市")
    assert "金门县" in names("福建省", "泉州市")


@pytest.mark.parametrize(
    "path",
    [
        ("西藏自治区", "林芝市", "米林市"),
        ("西藏自治区", "山南市", "错那市"),
        ("浙江省", "杭州市", "临平区"),
        ("江苏省", "苏州市", "苏州工业园区"),
        ("新疆维吾尔自治区", "和田地区", "和安县"),
        ("新疆维吾尔自治区", "喀什地区", "岑岭县"),
        ("重庆市", "重庆市", "两江新区"),
    ],
)
def test_recent_divisions_are_listed(path: tuple[str, str, str]) -> None:
    assert path[-1] in names(*path[:-1])


@pytest.mark.parametrize("name", ["江北区", "渝北区"])
def test_a_former_district_is_accepted_but_not_offered(name: str) -> None:
    assert regions.is_division("重庆市", "重庆市", name)
    assert name not in names("重庆市", "重庆市")


def test_children_of_an_unknown_place_are_none() -> None:
    assert names("北京") == []
    assert names("北京市", "上海市") == []
    assert names("北京市", "北京市", "朝阳区") == []


def test_children_by_code_equal_children_by_path() -> None:
    assert rules.children_of("11") == regions.children(("北京市",))
    assert rules.children_of("1101") == regions.children(("北京市", "北京市"))
    assert rules.children_of("110101") == []
    assert rules.children_of("10") is None
    assert rules.children_of("") is None


def test_the_source_is_named() -> None:
    source = rules.source()
    assert (source.publisher, source.edition) == ("国家统计局", "2023")
    assert source.as_of == "2023-06-30" < source.published < source.amended_to


def test_importing_the_module_does_not_read_the_list() -> None:
    code = (
        "from zxo.modules import regions\n"
        "from zxo.modules.regions import rules\n"
        "assert rules._table.cache_info().currsize == 0\n"
        "assert regions.is_division('北京市')\n"
        "assert rules._table.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-X", "utf8", "-c", code], check=True, timeout=30)


def test_the_list_loads_fast_and_stays_small() -> None:
    started = time.perf_counter()
    rules._table.__wrapped__()
    assert time.perf_counter() - started < 0.5  # about 5 ms when nothing else runs
    tracemalloc.start()
    try:
        table = rules._table.__wrapped__()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(table.by_code) > 3800
    assert used < 2_000_000
