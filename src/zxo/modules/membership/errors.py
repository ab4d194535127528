"""Why a code is refused, and what is kept from whoever is no member."""

from zxo.kit.errors import BadRequest, Conflict, Forbidden, NotFound


class CodeNotFound(NotFound):
    """There is no such code."""

    code, message = "redeem_code_not_found", "兑换码不存在"


class CodeDisabled(BadRequest):
    """The code was disabled."""

    code, message = "redeem_code_disabled", "兑换码已禁用"


class CodeUsedUp(BadRequest):
    """The code was redeemed as often as it may be."""

    code, message = "redeem_code_used_up", "兑换码已达到使用上限"


class CodeNotYetValid(BadRequest):
    """The code's time has not begun."""

    code, message = "redeem_code_not_yet_valid", "兑换码尚未生效"


class CodeExpired(BadRequest):
    """The code's time is over."""

    code, message = "redeem_code_expired", "兑换码已过期"


class CodeAlreadyRedeemed(Conflict):
    """The caller has redeemed this code before."""

    code, message = "redeem_code_already_redeemed", "您已使用过此兑换码"


class MembershipDowngrade(Conflict):
    """VIP would take the place of an AI membership that is in force; the code is not used up."""

    code, message = "membership_downgrade", "您的 AI 权限尚未到期，不能兑换 VIP"


class VipNotOpen(Forbidden):
    """The caller never had a membership."""

    code, message = "vip_not_open", "VIP 功能未开通"


class VipExpired(Forbidden):
    """The caller's membership is over."""

    code, message = "vip_expired", "VIP 已到期"


class AiNotOpen(Forbidden):
    """The caller never had the coach."""

    code, message = "ai_not_open", "AI 功能未开通"


class AiTrialEnded(Forbidden):
    """The days in which VIP may try the coach are over."""

    code, message = "ai_trial_ended", "AI 体验期已结束"


class AiExpired(Forbidden):
    """The caller's AI membership is over."""

    code, message = "ai_expired", "AI 权限已到期"


class InvalidPlan(BadRequest):
    """Such codes cannot be made."""

    code, message = "invalid_code_plan", "兑换码设置不合法"


class CodeTextTaken(Conflict):
    """There is a code that reads the same."""

    code, message = "redeem_code_exists", "兑换码已存在"


class NoSuchBatch(NotFound):
    """No batch has this id."""

    code, message = "redeem_batch_not_found", "兑换码批次不存在"


class NoSuchCode(NotFound):
    """No code has this id."""

    code, message = "redeem_code_id_not_found", "兑换码不存在"


class NoSuchUser(NotFound):
    """No user has this id, or the account is deleted."""

    code, message = "user_not_found", "用户不存在"


class InvalidGrant(BadRequest):
    """Such a membership cannot be granted."""

    code, message = "invalid_grant", "会员时长不合法"
