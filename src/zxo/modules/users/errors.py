"""Why a change of one's own data is refused."""

from zxo.kit.errors import BadRequest, Conflict, Unauthorized


class UserGone(Unauthorized):
    """The account behind the token no longer exists."""

    code, message = "account_gone", "账号不存在，请重新登录"


class StreetWithoutDistrict(BadRequest):
    """A street needs the district that it lies in."""

    code, message = "street_without_district", "请先选择区县"


class QuitInFuture(BadRequest):
    """The last cigarette cannot lie in the future."""

    code, message = "quit_at_in_future", "戒烟时间不能晚于现在"


class PhoneTaken(Conflict):
    """The phone number belongs to another account."""

    code, message = "phone_taken", "该手机号已绑定其他账号"
