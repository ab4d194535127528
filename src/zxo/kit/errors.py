"""A failure that a caller is told about is one class: status, stable code, Chinese message."""

from collections.abc import Mapping
from typing import Any, ClassVar


class AppError(Exception):
    """What a use case raises when it refuses.

    `message` is for the person. `detail` is English for the programmer and never holds the rejected
    value or database text. `data` are extra facts for the client.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    message: ClassVar[str] = "服务器内部错误"

    def __init__(
        self,
        detail: str | None = None,
        *,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip().split("\n")[0]
        self.data = data
        self.headers = dict(headers or {})
        super().__init__(self.detail)


class BadRequest(AppError):
    """The request is malformed."""

    status, code, message = 400, "bad_request", "请求参数错误"


class Unauthorized(AppError):
    """No valid token came with the request."""

    status, code, message = 401, "unauthorized", "未登录"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(AppError):
    """The caller may not do this."""

    status, code, message = 403, "forbidden", "无权限"


class NotFound(AppError):
    """There is no such resource."""

    status, code, message = 404, "not_found", "资源不存在"


class MethodNotAllowed(AppError):
    """The resource does not answer this method."""

    status, code, message = 405, "method_not_allowed", "不支持的请求方法"


class RequestTooSlow(AppError):
    """The body did not arrive in time."""

    status, code, message = 408, "request_too_slow", "网络太慢，请重试"


class Conflict(AppError):
    """The resource is not in a state that allows this."""

    status, code, message = 409, "conflict", "资源冲突"


class PayloadTooLarge(AppError):
    """The body is larger than the service accepts."""

    status, code, message = 413, "payload_too_large", "请求内容过大"


class UnsupportedMediaType(AppError):
    """The body must be application/json."""

    status, code, message = 415, "unsupported_media_type", "请求格式必须是 JSON"


class TooManyRequests(AppError):
    """The caller must wait."""

    status, code, message = 429, "too_many_requests", "请求过于频繁，请稍后再试"


class Unavailable(AppError):
    """A part that the request needs does not answer."""

    status, code, message = 503, "unavailable", "服务暂时不可用，请稍后再试"

    def __init__(self, detail: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})
