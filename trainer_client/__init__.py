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
from trainer_client.client import (
    ClientStats,
    ConnectionFailed,
    DeadlineExceeded,
    ExecutorClient,
    ExecutorError,
    FieldProblem,
    InvalidRequest,
    LatencySummary,
    Overloaded,
    ProtocolError,
    RequestTooLarge,
    SyncExecutorClient,
    Unauthorized,
)

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
