"""Authentication: ``Authorization: Bearer KEY``.

Failures are logged and counted by address. An address that fails often is answered 429 for a
while, which bounds the log; a right key is served from anywhere, at any time. Against guessing
stands the length of the keys alone.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from typing import Annotated

import structlog
from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from executor_api import metrics
from executor_api.keys import KeyRing

__all__ = ["ANONYMOUS", "Failures", "authenticate", "caller"]

log = structlog.get_logger()

ANONYMOUS = "anonymous"
_WINDOW_SECONDS = 60.0
_MOST_ADDRESSES = 10_000
_LONGEST_ADDRESS = 64


_bearer = HTTPBearer(auto_error=False, description="An API key, where the service has any.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


async def authenticate(request: Request, credentials: Credentials) -> str:
    """Return the name of the caller's key; 401 without a valid one, 429 after many of those.

    A service without keys is bound to loopback and serves everybody there.
    """
    keys: KeyRing = request.app.state.keys
    given = credentials.credentials.strip() if credentials else ""
    name = keys.name_of(given) if len(keys) else ANONYMOUS
    if name is None:
        raise _refusal(request, "an unknown key" if given else "no key")
    request.state.key = name  # for the log
    return name


def _refusal(request: Request, why: str) -> HTTPException:
    failures: Failures = request.app.state.failures
    address = caller(request)
    if seconds := failures.note(address):
        metrics.AUTHENTICATION_FAILURES.labels("429").inc()
        return HTTPException(
            429,
            f"{failures.most} requests from your address had no valid API key: "
            f"try again in {seconds} s, with 'Authorization: Bearer KEY'",
            headers={"Retry-After": str(seconds)},
        )
    metrics.AUTHENTICATION_FAILURES.labels("401").inc()
    log.warning("authentication failed", address=address, why=why)
    return HTTPException(
        401,
        "no valid API key: send 'Authorization: Bearer KEY'",
        headers={"WWW-Authenticate": "Bearer"},
    )


def caller(request: Request) -> str:
    """The caller's address; of IPv6 the network, in which a site has as many as it likes."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:_LONGEST_ADDRESS]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


class Failures:
    """Failed authentications of late, by address; of the 10,000 addresses that failed last."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._of: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """Start of the window and failures in it."""

    def __len__(self) -> int:
        return len(self._of)

    def note(self, address: str) -> int:
        """Count one; return 0, or in how many seconds failures are answered 401 again."""
        now = time.monotonic()
        began, count = self._of.pop(address, (now, 0))
        if now - began >= _WINDOW_SECONDS:
            began, count = now, 0
        self._of[address] = began, count + 1
        if len(self._of) > _MOST_ADDRESSES:
            self._of.popitem(last=False)
        if count < self.most:
            return 0
        if count == self.most:
            log.warning("failing authentications are answered 429", address=address)
        return math.ceil(began + _WINDOW_SECONDS - now)
