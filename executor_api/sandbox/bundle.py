"""The OCI bundle of an embedded sandbox: what the guest sees, and what it may do.

The root is an empty read-only tree with bind mounts, all read-only: what a ``view.View`` names of
this machine, and the guest's files at ``/guest``. Writable are only ``/box``, ``/tmp`` and
``/dev/shm``, in memory and bounded. There is no network, no device of the machine's, and nothing
of the service's environment.
"""

import compileall
import json
import py_compile
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor_api.sandbox.view import View

GUEST_SOURCE = Path(__file__).parents[1] / "guest"
GUEST = "/guest"
SUPERVISOR_ARGUMENTS = ("-P", "-s", "-S", "-B", f"{GUEST}/supervisor.py")

CAPABILITIES = (
    "CAP_CHOWN",  # give a program its directory
    "CAP_DAC_OVERRIDE",  # clean up what it left there
    "CAP_FOWNER",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_RESOURCE",  # set the limits of a process under another uid
)
"""Of the supervisor only: a program runs under an unprivileged uid and has none."""

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/box",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "MALLOC_ARENA_MAX": "1",  # each further one takes 64 MiB of a thread's address space
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}
STACK_BYTES = 64 << 20
UNLIMITED = (1 << 64) - 1
OPEN_FILES = 1024
TASKS = 512
"""Host tasks of a sandbox, the backstop behind RLIMIT_NPROC inside. Below 256 gVisor's own
threads do not fit."""

_PASSWD = "root:x:0:0::/box:/bin/false\nnobody:x:65534:65534::/box:/bin/false\n"
_GROUP = "root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True, slots=True)
class Sizes:
    """MiB. ``memory`` bounds the whole sandbox on the host, the file systems included."""

    memory: int = 4096
    box: int = 256
    tmp: int = 64
    shm: int = 64


def copy_guest(source: Path, target: Path) -> None:
    """Copy the guest's files, readable by every uid and compiled: a sandbox cannot write them."""
    target.mkdir(mode=0o755)
    for file in sorted(source.glob("*.py")):
        copied = target / file.name
        shutil.copyfile(file, copied)
        copied.chmod(0o644)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(target, quiet=2, invalidation_mode=mode)


def write_root(root: Path, view: View) -> None:
    """Make the empty tree with a place for each mount."""
    folders = [str(path) for path in view.paths if path.is_dir()]
    for name in (*folders, GUEST, "/proc", "/sys", "/dev", "/box", "/tmp", "/etc"):
        (root / name.lstrip("/")).mkdir(mode=0o755, parents=True, exist_ok=True)
    for file in (path for path in view.paths if not path.is_dir()):
        place = root / str(file).lstrip("/")
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        place.touch()
    for link in view.links:
        (root / link.name).symlink_to(link.readlink())
    (root / "etc/passwd").write_text(_PASSWD)
    (root / "etc/group").write_text(_GROUP)


def write_config(bundle: Path, config: dict[str, Any]) -> None:
    bundle.mkdir(mode=0o700)
    (bundle / "config.json").write_text(json.dumps(config))


def config(
    *,
    root: Path,
    guest: Path,
    view: View,
    sizes: Sizes,
    arguments: Sequence[str] = SUPERVISOR_ARGUMENTS,
    cgroup: str | None,
) -> dict[str, Any]:
    """The OCI runtime configuration; without ``cgroup`` there is no limit on the host's side."""
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]
    }
    if cgroup is not None:
        linux["cgroupsPath"] = cgroup
        linux["resources"] = {"memory": {"limit": sizes.memory << 20}, "pids": {"limit": TASKS}}
    return {
        "ociVersion": "1.0.2",
        "process": _process([str(view.executable), *arguments]),
        "root": {"path": str(root), "readonly": True},
        "hostname": "sandbox",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            *(_bind(path, str(path)) for path in view.paths),
            *(_nothing(str(path)) for path in view.hidden),
            _bind(guest, GUEST),
            _memory("/box", sizes.box, "755"),
            _memory("/tmp", sizes.tmp, "1777"),
            _memory("/dev/shm", sizes.shm, "1777"),
        ],
        "linux": linux,
    }


def _process(arguments: Sequence[str]) -> dict[str, Any]:
    return {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": list(arguments),
        "env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "cwd": "/box",
        "capabilities": {
            kind: list(CAPABILITIES) for kind in ("bounding", "effective", "permitted")
        },
        "rlimits": [
            {"type": "RLIMIT_STACK", "soft": STACK_BYTES, "hard": UNLIMITED},
            {"type": "RLIMIT_NOFILE", "soft": OPEN_FILES, "hard": OPEN_FILES},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        ],
        "noNewPrivileges": True,
    }


def _bind(source: Path, destination: str) -> dict[str, Any]:
    options = ["bind", "ro", "nosuid", "nodev"]
    return {
        "destination": destination,
        "type": "bind",
        "source": str(source),
        "options": options,
    }


def _nothing(destination: str) -> dict[str, Any]:
    """An empty folder in place of one."""
    options = ["ro", "nosuid", "nodev", "mode=755"]
    return {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options}


def _memory(destination: str, mebibytes: int, mode: str) -> dict[str, Any]:
    options = ["nosuid", "nodev", f"size={mebibytes}m", f"mode={mode}"]
    return {
        "destination": destination,
        "type": "tmpfs",
        "source": "tmpfs",
        "options": options,
    }
