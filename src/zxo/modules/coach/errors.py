"""What the coach refuses."""

from zxo.kit.errors import Conflict, Forbidden, NotFound, TooManyRequests, Unavailable


class CoachOff(Forbidden):
    """The coach is switched off in this deployment."""

    code, message = "coach_off", "AI 助手未开放"


class NoSuchConversation(NotFound):
    """The caller has no conversation with this id."""

    code, message = "conversation_not_found", "对话不存在"


class AnswerUnderway(Conflict):
    """The conversation's last message is still being answered."""

    code, message = "answer_underway", "上一条消息还在回答中，请稍候"


class MessagesUsedUp(TooManyRequests):
    """The caller has sent as many messages today as a day has."""

    code, message = "ai_messages_used_up", "今天的对话次数已用完，明天再来"


class TokensUsedUp(TooManyRequests):
    """The caller has used up the tokens of the day; common questions are still answered."""

    code, message = "ai_tokens_used_up", "今天的 AI 额度已用完，明天再来；常见问题仍可以问"


class AnswerBrokeOff(Unavailable):
    """The model's answer broke off in the middle; what there is of it is kept."""

    code, message = "answer_broke_off", "回答中断了，请再问一次"
