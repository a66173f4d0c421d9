"""The trainer's side: the executor's client, and on top of it rewards, alignment and training.

Importing this package brings in the client alone, neither FastAPI nor torch.
"""

from executor_api.wire import (
    CallTest,
    ExecuteProgram,
    ExecuteResult,
    StdioTest,
    TraceProgram,
    TraceResult,
    Verdict,
    VersionInfo,
)
from trainer_client._exceptions import (
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
from trainer_client._stats import ClientStats, LatencySummary
from trainer_client.client import ExecutorClient
from trainer_client.sync import SyncExecutorClient

__all__ = [
    "CallTest",
    "ClientStats",
    "ConnectionFailed",
    "DeadlineExceeded",
    "ExecuteProgram",
    "ExecuteResult",
    "ExecutorClient",
    "ExecutorError",
    "FieldProblem",
    "InvalidRequest",
    "LatencySummary",
    "Overloaded",
    "ProtocolError",
    "RequestTooLarge",
    "StdioTest",
    "SyncExecutorClient",
    "TraceProgram",
    "TraceResult",
    "Unauthorized",
    "Verdict",
    "VersionInfo",
]
