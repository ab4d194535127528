"""Why an operator is refused."""

from zxo.kit.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized


class InvalidCredentials(Unauthorized):
    """Name, password or code is wrong, or there were too many tries. Never said which."""

    code, message = "invalid_credentials", "账号、密码或动态码错误，或尝试次数过多，请稍后再试"


class TotpRequired(Unauthorized):
    """The password is right; the code of the second factor is missing."""

    code, message = "totp_required", "请输入动态验证码"


class OperatorSessionEnded(Unauthorized):
    """The token is not of a session of an operator, or the session is over."""

    code, message = "operator_session_ended", "登录已失效，请重新登录"


class TotpNotEnrolled(Forbidden):
    """This session may only set up the second factor."""

    code, message = "totp_not_enrolled", "请先绑定动态验证码"


class RoleTooLow(Forbidden):
    """The operator's role does not permit this."""

    code, message = "role_too_low", "当前角色无此权限"


class WeakPassword(BadRequest):
    """12 characters or more, at most 72 bytes, without the name, and none that is common."""

    code = "weak_password"
    message = "密码至少 12 个字符，最多 72 字节，不能包含账号名，也不能是常见密码"


class WrongTotpCode(BadRequest):
    """The code is not one that the second factor shows now."""

    code, message = "wrong_totp_code", "动态验证码错误"


class TotpAlreadyEnrolled(Conflict):
    """There is a second factor; an owner can take it away."""

    code, message = "totp_already_enrolled", "已绑定动态验证码"


class OperatorNameTaken(Conflict):
    """There is an operator of that name, or of one that looks the same."""

    code, message = "operator_name_taken", "账号名已存在"


class LastOwner(Conflict):
    """Somebody has to stay who may manage operators."""

    code, message = "last_owner", "至少保留一位所有者"


class NoSuchOperator(NotFound):
    """No operator has this id."""

    code, message = "operator_not_found", "操作员不存在"
