"""Which addresses the server posts to: they come from browsers, and so from anybody."""

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.push_service import Browser
from zxo.clients.outcomes import Outcome
from zxo.clients.web_push import Subscription, WebPush
from zxo.clients.web_push_crypto import make_key
from zxo.settings.outside import PUSH_HOSTS

TTL = timedelta(hours=6)
HERE = "http://127.0.0.1:8080"
BROWSER = Browser("")


@pytest_asyncio.fixture(scope="module")
async def strict() -> AsyncIterator[WebPush]:
    """With the hosts that the settings name where nothing is set."""
    made = WebPush(make_key(), "mailto:ops@zxo.test", PUSH_HOSTS.split(","))
    yield made
    await made.close()


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:def-_",
        "https://FCM.googleapis.com/wp/x",
        "https://fcm.googleapis.com:443/fcm/send/x",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
        "https://wns2-sg2p.notify.windows.com/w/?token=BQYAAA%3d%3d",
        "https://web.push.apple.com/QGuQyavXutnMH",
    ],
)
async def test_the_vendors_services_are_allowed(strict: WebPush, endpoint: str) -> None:
    assert strict.host(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "ftp://fcm.googleapis.com/x",
        "file:///etc/passwd",
        "//fcm.googleapis.com/x",
        "https:fcm.googleapis.com/x",
        "fcm.googleapis.com/x",
        "",
        "https://",
        "https:///x",
        "https://localhost/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x",
        "https://metadata.google.internal/x",
        "https://googleapis.com/x",
        "https://storage.googleapis.com/x",
        "https://x.fcm.googleapis.com/x",
        "https://evilfcm.googleapis.com/x",
        "https://fcm.googleapis.com.evil.test/x",
        "https://fcm.googleapis.com%2eevil.test/x",
        "https://evilnotify.windows.com/x",
        "https://notify.windows.com/x",
        "https://evil.test/fcm.googleapis.com",
        "https://evil.test?fcm.googleapis.com",
        "https://evil.test#.push.apple.com",
        "https://evil.test#@web.push.apple.com/",
        "https://web.push.apple.com/x#fragment",
        "https://fcm.googleapis.com@evil.test/x",
        "https://fcm.googleapis.com:pass@evil.test/x",
        "https://user@fcm.googleapis.com/x",
        "https://user:pass@fcm.googleapis.com/x",
        "https://fcm.googleapis.com\\@evil.test/x",
        "https://evil.test\\.push.apple.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com:22/x",
        "https://fcm.googleapis.com:99999/x",
        "https://fcm.googleapis.com./x",
        "https://fcm.googleapis.com /x",
        "https://ｆcm.googleapis.com.evil.test/x",
        "https://fcm。googleapis。com.evil.test/x",
        "https://web.push.apple.com\r\nHost: evil.test/x",
        "http://127.0.0.1:8080/x",
    ],
)
async def test_nobody_else_is(strict: WebPush, endpoint: str) -> None:
    assert strict.host(endpoint) is None
    subscription = Subscription(endpoint, BROWSER.public, bytes(16))
    assert await strict.send(subscription, b"{}", ttl=TTL) is Outcome.NOT_SENT


AROUND = st.text(alphabet="htps:/\\@#?.%[]evil127;&=\t\r\n -", max_size=12)


@given(AROUND, AROUND, AROUND)
@example("", "", "")
@example("a.", "", "?x")
def test_what_is_allowed_is_the_same_host_to_another_reader_of_urls(
    strict: WebPush, before: str, after: str, path: str
) -> None:
    endpoint = f"https://{before}web.push.apple.com{after}/{path}"
    if strict.host(endpoint) is None:
        return
    other = urlsplit(endpoint)
    assert other.scheme == "https"
    assert not other.username
    assert not other.password
    assert other.port in {None, 443}
    assert (other.hostname or "").endswith(".push.apple.com")


@pytest.mark.parametrize(
    "endpoint", ["{}/x", "{}0/x", "{}@evil.test/x", "{}.evil.test/x", "http://127.0.0.1/x"]
)
async def test_the_address_for_tests_is_one_port_of_this_machine(endpoint: str) -> None:
    client = WebPush(make_key(), "mailto:ops@zxo.test", [HERE])
    assert (client.host(endpoint.format(HERE)) is not None) == (endpoint == "{}/x")
    await client.close()
