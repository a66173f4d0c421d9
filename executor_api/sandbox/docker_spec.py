"""The one container that the Docker runtime may create, as the body of its create request.

The gate in front of the Docker socket lets exactly these bytes pass and nothing else
(``services/gate``): it pins their number and SHA-256, which ``python -m
executor_api.sandbox.docker_spec [IMAGE]`` prints. So nothing in it may depend on the moment, the
sandbox or the service.
"""

import hashlib
import json
import sys
from typing import Any

from executor_api.sandbox.bundle import (
    CAPABILITIES,
    ENVIRONMENT,
    OPEN_FILES,
    STACK_BYTES,
    SUPERVISOR_ARGUMENTS,
    TASKS,
    Sizes,
)

DEFAULT_IMAGE = "coderl-sandbox"
DEFAULT_PREFIX = "coderl-sandbox-service-"
"""Of every container's name, a number after it; the gate lets no other be addressed."""

CPUS = 2
"""Of the machine, that one sandbox may keep busy. Other than a number of processors, a quota may
be more than the machine has."""
_CPU_PERIOD = 100_000


def left_over(prefix: str) -> dict[str, list[str]]:
    """Filters of the one listing the gate allows: sandboxes that have ended."""
    return {"name": [f"^/{prefix}[0-9]+$"], "status": ["created", "exited", "dead"]}


def create_body(image: str = DEFAULT_IMAGE, sizes: Sizes | None = None) -> dict[str, Any]:
    """The body of ``POST /containers/create``."""
    sizes = sizes or Sizes()
    return {
        "Image": image,
        "Cmd": ["python3", *SUPERVISOR_ARGUMENTS],
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "User": "0:0",
        "WorkingDir": "/box",
        "Hostname": "sandbox",
        "NetworkDisabled": True,
        "OpenStdin": True,
        "StdinOnce": True,  # the supervisor exits when the service hangs up
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "HostConfig": _host_config(sizes),
    }


def _host_config(sizes: Sizes) -> dict[str, Any]:
    return {
        "Runtime": "runsc",
        "NetworkMode": "none",
        "IpcMode": "private",
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "CapAdd": [name.removeprefix("CAP_") for name in CAPABILITIES],
        "SecurityOpt": ["no-new-privileges"],
        "PidsLimit": TASKS,
        "CpuPeriod": _CPU_PERIOD,
        "CpuQuota": CPUS * _CPU_PERIOD,
        "Memory": sizes.memory << 20,
        "MemorySwap": sizes.memory << 20,
        "ShmSize": sizes.shm << 20,
        "Tmpfs": {"/box": _tmpfs(sizes.box, "755"), "/tmp": _tmpfs(sizes.tmp, "1777")},
        "Ulimits": [
            {"Name": "stack", "Soft": STACK_BYTES, "Hard": -1},
            {"Name": "nofile", "Soft": OPEN_FILES, "Hard": OPEN_FILES},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "LogConfig": {"Type": "none"},
    }


def _tmpfs(mebibytes: int, mode: str) -> str:
    return f"rw,exec,nosuid,nodev,size={mebibytes}m,mode={mode}"


def create_bytes(image: str = DEFAULT_IMAGE) -> bytes:
    """The body as the Docker SDK sends it."""
    return json.dumps(create_body(image)).encode()


def create_digest(image: str = DEFAULT_IMAGE) -> str:
    """SHA-256 of the body, in hexadecimal."""
    return hashlib.sha256(create_bytes(image)).hexdigest()


if __name__ == "__main__":
    image = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_IMAGE
    print(len(create_bytes(image)), create_digest(image))
