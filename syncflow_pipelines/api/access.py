"""Who may use the admin API: bearer tokens, by what they may do."""

from typing import Final

from fastapi import Request

from syncflow_pipelines.api.problems import refused
from syncflow_pipelines.config.api_tokens import ApiToken, ApiTokens, Role

READING: Final = ("GET", "HEAD")
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="syncflow"'}


class Access:
    """The dependency of every route but the one that tells whether the process is alive."""

    def __init__(self, tokens: ApiTokens) -> None:
        self._tokens = tokens

    async def __call__(self, request: Request) -> None:
        """Lets the request pass, or refuses it; notes who asks."""
        if not self._tokens:
            request.state.caller = "the API"
            return
        token = self._tokens.find(_presented(request))
        if token is None:
            raise refused(
                401, "send a token that SYNCFLOW_API_TOKENS names as Authorization: Bearer", headers=_CHALLENGE
            )
        if token.role is not Role.ADMIN and request.method not in READING:
            raise refused(403, f"the token {token.name} may only read; this needs one of the role admin")
        request.state.caller = _named(token)


def _presented(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _named(token: ApiToken) -> str:
    return f"{token.name} (API)"
