"""The executor's client: retries, deadlines, batching, several endpoints.

It needs neither FastAPI nor torch.
"""

from trainer_client.client.asynchronous import ExecutorClient
from trainer_client.client.exceptions import (
    ConnectionFailed,
    DeadlineExceeded,
    ExecutorError,
    FieldProblem,
    InvalidRequest,
    Overloaded,
    ProtocolError,
    RequestTooLarge,
    Unauthorized,
)
from trainer_client.client.stats import ClientStats, LatencySummary
from trainer_client.client.sync import SyncExecutorClient

__all__ = [
    "ClientStats",
    "ConnectionFailed",
    "DeadlineExceeded",
    "ExecutorClient",
    "ExecutorError",
    "FieldProblem",
    "InvalidRequest",
    "LatencySummary",
    "Overloaded",
    "ProtocolError",
    "RequestTooLarge",
    "SyncExecutorClient",
    "Unauthorized",
]
