"""Why somebody cannot be told outside of the app."""

from zxo.kit.errors import BadRequest, NotFound, Unavailable


class NoWechatTemplate(Unavailable):
    """WeChat, or its template for such messages, is not configured."""

    code, message = "wechat_template_not_configured", "微信消息提醒未开通"


class WebPushNotConfigured(Unavailable):
    """WEB_PUSH_VAPID_KEY is not set."""

    code, message = "web_push_not_configured", "网页消息推送未开通"


class PushServiceNotAllowed(BadRequest):
    """The endpoint is no https address of a push service in WEB_PUSH_HOSTS."""

    code, message = "push_service_not_allowed", "暂不支持该浏览器的消息推送"


class NoSuchPushSubscription(NotFound):
    """The caller has no push subscription with this id."""

    code, message = "push_subscription_not_found", "推送订阅不存在"
