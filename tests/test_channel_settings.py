"""What the environment may say about the ways out: WeChat's templates, and Web Push."""

import os

import pytest

from tests.test_settings import PRODUCTION, Load, refused
from zxo.settings import Settings, load


@pytest.fixture
def load_from(monkeypatch: pytest.MonkeyPatch) -> Load:
    """The settings of a process whose whole environment is given."""

    def load_only(**variables: str) -> Settings:
        monkeypatch.setattr(os, "environ", dict(variables))
        return load()

    return load_only


@pytest.mark.parametrize(
    "template",
    [
        "",
        "kq3-x_9",
        "kq3-x_9:thing1=title",
        "kq3-x_9:thing4=title,thing2=body,time3=at,date12=at,thing5=title",
    ],
)
def test_a_template_is_an_id_and_what_its_fields_hold(load_from: Load, template: str) -> None:
    assert load_from(WECHAT_TEMPLATE_REMINDER=template).wechat.reminder == template


@pytest.mark.parametrize(
    "template",
    [
        "id:",
        "id:thing=title",
        "id:thing1=time",
        "id:time1=title",
        "id:thing1=title,",
        "id:thing1=title;thing2=body",
        "id thing1=title",
        ":thing1=title",
        "id:amount1=title",
        "id:thing１=title",
        "身份",
    ],
)
def test_any_other_template_is_refused(load_from: Load, template: str) -> None:
    text = refused(load_from, WECHAT_TEMPLATE_REMINDER=template)
    assert text.startswith("WECHAT_TEMPLATE_REMINDER: ")


def test_web_push_is_off_unless_a_key_says_whose_it_is(load_from: Load) -> None:
    assert not load_from().web_push.key.get_secret_value()
    text = refused(load_from, WEB_PUSH_VAPID_KEY="k9-battle-staple")
    assert "WEB_PUSH_SUBJECT" in text
    assert "staple" not in text
    load_from(WEB_PUSH_VAPID_KEY="k9", WEB_PUSH_SUBJECT="mailto:ops@zxo.test")
    assert refused(load_from, WEB_PUSH_SUBJECT="ops@zxo.test").startswith("WEB_PUSH_SUBJECT: ")


@pytest.mark.parametrize(
    "host", ["*", "*.com", "https://push.test", "push.test/x", "http://10.0.0.1:80", "a b.test"]
)
def test_push_hosts_are_names(load_from: Load, host: str) -> None:
    assert refused(load_from, WEB_PUSH_HOSTS=f"fcm.googleapis.com,{host}")


def test_production_posts_to_no_address_of_this_machine(load_from: Load) -> None:
    hosts = {"WEB_PUSH_HOSTS": "*.push.apple.com, http://127.0.0.1:8080"}
    assert load_from(**hosts).web_push.hosts[1] == "http://127.0.0.1:8080"
    assert "WEB_PUSH_HOSTS" in refused(load_from, **PRODUCTION, **hosts)


def test_production_refuses_an_example_as_the_key(load_from: Load) -> None:
    push = {"WEB_PUSH_VAPID_KEY": "your_web_push_key", "WEB_PUSH_SUBJECT": "mailto:ops@zxo.test"}
    assert "WEB_PUSH_VAPID_KEY" in refused(load_from, **PRODUCTION, **push)
