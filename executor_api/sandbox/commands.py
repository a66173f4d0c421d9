"""Short commands of a container runtime."""

import asyncio
import subprocess

from executor_api.sandbox.runtime import RuntimeUnavailable

SECONDS = 30.0


async def output_of(*command: str, seconds: float = SECONDS) -> str:
    """What the command prints; ``RuntimeUnavailable`` where it fails or takes longer."""
    try:
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=seconds, check=True
        )
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip() or f"exit status {error.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        return done.stdout
    raise RuntimeUnavailable(f"`{' '.join(command)}` failed: {reason}")
