"""What Prometheus reads: requests by method, route template and status."""

import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import Visitor
from zxo.kit import metrics

Labels = tuple[str, str, str]


async def counted(client: httpx.AsyncClient) -> dict[Labels, float]:
    """How often each method, route and status was answered."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (
            sample.labels["method"],
            sample.labels["route"],
            sample.labels["status_code"],
        ): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "http_request_duration_ms_count"
    }


async def added(alice: Visitor, method: str, path: str) -> dict[Labels, float]:
    """What one request to `path` adds."""
    before = await counted(alice.client)
    await alice.client.request(method, path, headers={"Authorization": f"Bearer {alice.token}"})
    after = await counted(alice.client)
    return {
        labels: value - before.get(labels, 0)
        for labels, value in after.items()
        if value != before.get(labels, 0) and labels[1] != "/metrics"
    }


async def test_a_request_is_counted_under_its_route_with_the_prefix(alice: Visitor) -> None:
    assert await added(alice, "GET", "/v1/users/me") == {("GET", "/v1/users/me", "200"): 1}


async def test_a_path_with_an_id_is_counted_under_its_template(alice: Visitor) -> None:
    labels = ("DELETE", "/v1/cravings/{craving_id}", "404")
    assert await added(alice, "DELETE", "/v1/cravings/123456") == {labels: 1}


async def test_unknown_paths_are_counted_together(alice: Visitor) -> None:
    for path in ("/v1/nothing", "/wp-admin/setup.php", "/v1/users/me/"):
        assert await added(alice, "GET", path) == {("GET", "unmatched", "404"): 1}


async def test_an_invented_method_makes_no_label_of_its_own(alice: Visitor) -> None:
    assert await added(alice, "BREW", "/v1/users/me") == {("OTHER", "/v1/users/me", "405"): 1}


async def test_static_files_of_the_documentation_make_one_label(alice: Visitor) -> None:
    labels = await added(alice, "GET", "/docs/static/swagger-ui.css")
    ((_, route, status),) = labels
    assert status == "200"
    assert "swagger-ui" not in route


async def test_durations_are_milliseconds_in_buckets(alice: Visitor) -> None:
    await alice.get("/users/me")
    text = (await alice.client.get("/metrics")).text
    found = re.search(
        r'_sum\{method="GET",route="/v1/users/me",status_code="200"\} ([0-9.]+)', text
    )
    assert found
    assert 0.05 < float(found[1]) < 600_000
    assert 'le="5000.0"' in text


def test_every_process_that_writes_into_the_folder_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for process, times in ((1, 3), (2, 4)):
        write = values.MultiProcessValue(process_identifier=lambda process=process: process)
        seen = write("counter", "requests_seen", "requests_seen_total", [], [], "Requests")
        seen.inc(times)
    assert b"requests_seen_total 7.0" in metrics.render(str(tmp_path))


def test_what_a_dead_process_had_open_is_open_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    for process, count in ((os.getpid(), 3), (ended.pid, 4)):
        write = values.MultiProcessValue(process_identifier=lambda process=process: process)
        name, labels = "sockets_now", (["state"], ["open"])
        write("gauge", name, name, *labels, "Sockets", multiprocess_mode="livesum").inc(count)
        write("counter", "opened", "opened_total", *labels, "Opened").inc(count)
    text = metrics.render(str(tmp_path))
    assert b'sockets_now{state="open"} 3.0' in text
    assert b'opened_total{state="open"} 7.0' in text
    assert text == metrics.render(str(tmp_path))
