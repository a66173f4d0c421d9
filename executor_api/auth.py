"""API keys: ``Authorization: Bearer KEY``."""

import hmac

from fastapi import HTTPException, Request

ANONYMOUS = "anonymous"


def authenticate(request: Request) -> str:
    """Return the name of the caller's key; 401 without a valid one.

    A service without keys is bound to loopback and serves everybody there.
    """
    keys: dict[str, str] = request.app.state.keys
    if not keys:
        request.state.key = ANONYMOUS
        return ANONYMOUS
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    name = _match(given.strip(), keys) if scheme.lower() == "bearer" else None
    if name is None:
        raise HTTPException(
            401,
            "no valid API key: send 'Authorization: Bearer KEY'",
            headers={"WWW-Authenticate": "Bearer"},
        )
    request.state.key = name  # for the log
    return name


def _match(given: str, keys: dict[str, str]) -> str | None:
    """Compare with every key, each in constant time."""
    found = None
    for key, name in keys.items():
        if hmac.compare_digest(key.encode(), given.encode()):
            found = name
    return found
