"""Why a log-in or a refresh is refused."""

from zxo.kit.errors import BadRequest, Forbidden, NotFound, Unauthorized


class InvalidDevelopmentName(BadRequest):
    """After `dev:` comes a name of 1 to 32 letters, digits, hyphens or underscores."""

    code, message = "invalid_development_name", "开发登录名称不合法"


class AccountDeleted(Forbidden):
    """The account was deleted by its owner and waits to be erased."""

    code, message = "account_deleted", "账号已删除，可在清除前恢复"


class TooOldToRefresh(Unauthorized):
    """The token expired more than seven days ago."""

    code, message = "token_too_old", "登录已过期，请重新登录"


class AlreadyRefreshed(Unauthorized):
    """The token was exchanged before; each serves once."""

    code, message = "token_already_refreshed", "该 Token 已刷新过，请重新登录"


class NoSuchSession(NotFound):
    """The caller has no session with this id."""

    code, message = "session_not_found", "会话不存在"
