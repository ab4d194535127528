"""One place, one spelling: what is accepted, what it becomes, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.modules import regions
from zxo.modules.regions import Path, UnknownRegion

BEIJING = ("北京市", "北京市", "朝阳区")


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_path_may_end_at_any_level(depth: int) -> None:
    assert regions.check_path(*BEIJING[:depth]) == Path(*BEIJING[:depth])
    assert regions.is_division(*BEIJING[:depth])


def test_no_region_at_all_is_a_path() -> None:
    assert regions.check_path(None) == Path(None)


@pytest.mark.parametrize(
    ("given_path", "kept"),
    [
        (("北京市", "市辖区", "朝阳区"), BEIJING),
        (("北京市", "市辖区", None), ("北京市", "北京市", None)),
        (("重庆市", "县", "云阳县"), ("重庆市", "重庆市", "云阳县")),
        (("湖北省", "省直辖县级行政区划", "仙桃市"), ("湖北省", "仙桃市", None)),
        (("海南省", "省直辖县级行政区划", "定安县"), ("海南省", "定安县", None)),
        (
            ("新疆维吾尔自治区", "自治区直辖县级行政区划", "北屯市"),
            ("新疆维吾尔自治区", "北屯市", None),
        ),
    ],
)
def test_a_heading_of_the_statistical_list_is_replaced(
    given_path: tuple[str, str, str | None], kept: tuple[str, str, str | None]
) -> None:
    assert regions.check_path(*given_path) == Path(*kept)
    assert not regions.is_division(*given_path)


@pytest.mark.parametrize(
    ("path", "level"),
    [
        (("北京", None, None), "province"),
        (("", None, None), "province"),
        ((None, "北京市", None), "province"),
        ((None, None, "朝阳区"), "province"),
        (("北京市", None, "朝阳区"), "city"),
        (("北京市", "上海市", None), "city"),
        (("湖北省", "省直辖县级行政区划", None), "city"),
        (("湖北省", "省直辖县级行政区划", "武汉市"), "city"),
        (("河北省", "市辖区", "长安区"), "city"),
        (("北京市", "北京市", "黄浦区"), "district"),
        (("北京市", "北京市", ""), "district"),
        (("湖北省", "仙桃市", "仙桃市"), "district"),
    ],
)
def test_the_level_at_fault_is_named(path: tuple[str | None, ...], level: str) -> None:
    with pytest.raises(UnknownRegion) as refused:
        regions.check_path(*path)
    assert (refused.value.status, refused.value.code) == (400, "unknown_region")
    assert refused.value.data is not None
    assert [fault["field"] for fault in refused.value.data["fields"]] == [level]
    assert refused.value.detail.startswith(f"{level}:")


def test_a_district_of_the_same_name_elsewhere_does_not_help() -> None:
    assert regions.is_division("吉林省", "长春市", "朝阳区")
    assert not regions.is_division("河北省", "石家庄市", "朝阳区")


@given(st.tuples(st.text(max_size=8), st.text(max_size=8) | st.none(), st.text() | st.none()))
def test_the_rejected_value_is_never_repeated(path: tuple[str, str | None, str | None]) -> None:
    with pytest.raises(UnknownRegion) as refused:
        regions.check_path(*path)
    assert refused.value.detail == "province: missing, or not in the list of divisions"


@given(st.data())
def test_every_listed_path_keeps_its_spelling(data: st.DataObject) -> None:
    path: tuple[str, ...] = ()
    while inside := regions.children(path):
        path = (*path, data.draw(st.sampled_from(inside)).name)
        assert regions.check_path(*path) == Path(*path)
