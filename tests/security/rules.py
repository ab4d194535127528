"""Who may call what: one line a route of the documentation, more where it depends on what is asked.

public       anybody, without a token
session      whoever has a token that counts, even of an account that is gone: its sessions only
signed in    whoever has an account; it answers with the caller's own things
own          as above, and names a thing in its path: another's is not found
own session  both: nobody else's is found, and no account is asked for
member       a VIP or AI membership in force
coach        an AI membership in force, or a VIP that is new
operator session    whoever is signed in as an operator, be it only to enrol a second factor
viewer, operator, owner    an operator of at least this role; no user's token is one of theirs
"""

RULES = {
    "POST /v1/auth/wechat/login": "public",
    "POST /v1/auth/sms/code": "public",
    "POST /v1/auth/sms/code?purpose=bind": "signed in",
    "POST /v1/auth/sms/login": "public",
    "POST /v1/auth/refresh": "signed in",
    "POST /v1/auth/logout": "session",
    "GET /v1/users/me": "signed in",
    "PUT /v1/users/me": "signed in",
    "GET /v1/users/me/settings": "signed in",
    "PUT /v1/users/me/settings": "signed in",
    "GET /v1/users/me/stats": "signed in",
    "GET /v1/users/me/sessions": "signed in",
    "DELETE /v1/users/me/sessions/{session_id}": "own session",
    "POST /v1/users/me/phone": "signed in",
    "DELETE /v1/users/me/phone": "signed in",
    "GET /v1/check-in/today": "signed in",
    "POST /v1/check-in": "signed in",
    "POST /v1/check-in/makeup": "signed in",
    "GET /v1/check-in/records": "signed in",
    "GET /v1/cravings": "signed in",
    "POST /v1/cravings": "signed in",
    "GET /v1/cravings/stats": "signed in",
    "DELETE /v1/cravings/{craving_id}": "own",
    "POST /v1/redeem-codes/redeem": "signed in",
    "GET /v1/redeem-codes/history": "signed in",
    "GET /v1/rankings": "signed in",
    "GET /v1/rankings?type=national": "member",
    "GET /v1/rankings/me": "signed in",
    "GET /v1/rankings/around": "signed in",
    "GET /v1/rankings/around?type=national": "member",
    "GET /v1/rankings/me/history": "signed in",
    "GET /v1/rankings/me/history?type=national": "member",
    "POST /v1/ai/chat": "coach",
    "POST /v1/ai/chat/stream": "coach",
    "GET /v1/ai/conversations": "signed in",
    "GET /v1/ai/conversations?conversationId": "own",
    "DELETE /v1/ai/conversations/{conversation_id}": "own",
    "GET /v1/ai/quota": "signed in",
    "GET /v1/regions": "public",
    "GET /v1/notifications": "signed in",
    "POST /v1/notifications/read": "signed in",
    "GET /v1/notifications/subscriptions": "signed in",
    "POST /v1/notifications/subscriptions": "signed in",
    "POST /v1/notifications/push-subscriptions": "signed in",
    "DELETE /v1/notifications/push-subscriptions/{subscription_id}": "own",
    "POST /v1/admin/login": "public",
    "POST /v1/admin/logout": "operator session",
    "POST /v1/admin/totp": "operator session",
    "POST /v1/admin/totp/confirm": "operator session",
    "GET /v1/admin/me": "viewer",
    "POST /v1/admin/password": "viewer",
    "GET /v1/admin/operators": "owner",
    "POST /v1/admin/operators": "owner",
    "PUT /v1/admin/operators/{operator_id}": "owner",
    "GET /v1/admin/audit": "viewer",
    "POST /v1/admin/redeem-codes": "operator",
    "GET /v1/admin/redeem-codes": "viewer",
    "GET /v1/admin/redeem-codes/{batch_id}": "viewer",
    "POST /v1/admin/redeem-codes/{batch_id}/disable": "operator",
    "POST /v1/admin/codes/{code_id}/disable": "operator",
    "POST /v1/admin/search/users": "viewer",
    "GET /v1/admin/users/{user_id}": "viewer",
    "POST /v1/admin/users/{user_id}/grant": "operator",
    "POST /v1/admin/users/{user_id}/revoke": "operator",
    "POST /v1/admin/users/{user_id}/ban": "operator",
    "POST /v1/admin/users/{user_id}/unban": "operator",
    "GET /v1/admin/statistics": "viewer",
    "GET /v1/admin/jobs": "viewer",
    "POST /v1/admin/jobs/{job_id}/retry": "operator",
    "DELETE /v1/admin/jobs/{job_id}": "operator",
    "GET /v1/admin/settings": "owner",
}

# What is not in the documentation. The socket proves by its first message whose it is.
UNDOCUMENTED = {
    "/v1/ws",
    "GET /v1/ws",
    "/docs/static",
    "GET /docs",
    "GET /docs/oauth2-redirect",
    "GET /openapi.json",
    "HEAD /openapi.json",
    "GET /health",
    "GET /metrics",
    "GET /ready",
}

PEOPLE = ("alice", "another", "expired", "vip")
OPERATORS = ("viewer", "operator", "owner")  # each may what those before it may
NOBODIES = ("anonymous", "banned", "gone")
ACTORS = (*PEOPLE, *NOBODIES, *OPERATORS)

# What somebody without a right to be here is told.
_REFUSED = {"anonymous": "unauthorized", "banned": "session_ended", "gone": "account_gone"}


def refused(rule: str, actor: str) -> tuple[int, str] | None:
    """The status and errorCode that `actor` gets at a route of this rule; None for an answer.

    What is named in a path belongs to alice.
    """
    if rule in {*OPERATORS, "operator session"}:
        return _refused_behind(rule, actor)
    if actor in OPERATORS and rule != "public":
        return 401, "token_invalid"
    if rule == "public" or (rule == "session" and actor == "gone"):
        return None
    if actor in _REFUSED and (rule, actor) != ("own session", "gone"):
        return 401, _REFUSED[actor]
    if rule.startswith("own") and actor != "alice":
        return 404, "*"
    if rule == "member" and actor != "vip":
        return 403, "vip_expired" if actor == "expired" else "national_ranking_locked"
    if rule == "coach" and actor != "vip":
        return 403, "ai_trial_ended" if actor == "expired" else "ai_not_open"
    return None


def _refused_behind(rule: str, actor: str) -> tuple[int, str] | None:
    """The same for routes of operators."""
    if actor not in OPERATORS:
        return 401, "unauthorized" if actor == "anonymous" else "operator_session_ended"
    if rule == "operator session" or OPERATORS.index(actor) >= OPERATORS.index(rule):
        return None
    return 403, "role_too_low"
