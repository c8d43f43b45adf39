"""Who may use a hub that is served over HTTP."""

import hmac

from fastmcp.server.auth import AccessToken, TokenVerifier


class OneToken(TokenVerifier):
    """Lets in whoever shows the token; how long the comparison takes tells nothing of it."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token.encode()

    async def verify_token(self, token: str) -> AccessToken | None:
        if not hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self._token):
            return None
        return AccessToken(token=token, client_id="syncflow", scopes=[])
