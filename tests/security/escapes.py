"""Programs that want out of their sandbox, or more of it than they were given, by family."""

from typing import Any

from tests.security.attacks import HOST_FOLDERS, MARK, UNREACHABLE, Attack, family

LIBC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result
def syscall(number, *arguments):
    return call("syscall", number, *arguments)
NEWUSER, NEWNS, NEWNET, NEWPID = 0x10000000, 0x20000, 0x40000000, 0x20000000
"""
NUMBERS = """
import platform
X86 = platform.machine() == "x86_64"
PTRACE, BPF, PERF, URING, UFFD = (
    (101, 321, 298, 425, 323) if X86 else (117, 280, 241, 425, 282))
READV, MODULE, KEXEC, SETNS, QUOTACTL = (
    (310, 313, 246, 308, 179) if X86 else (270, 273, 104, 268, 60))
HANDLE, PIVOT_ROOT, SWAPON, REBOOT, ACCT = (
    (304, 155, 167, 169, 163) if X86 else (265, 41, 224, 142, 89))
"""
WALL = {"cpu_seconds": 4, "wall_seconds": 2}


def attacks(name: str, found: dict[str, tuple[str, str]], **limits: Any) -> list[Attack]:
    return [
        Attack(a.name, a.family, a.code, a.verdicts, a.tests, limits=limits)
        for a in family(name, UNREACHABLE, found)
    ]


def one(name: str, group: str, verdicts: str, code: str, **limits: Any) -> Attack:
    return Attack(name, group, code, frozenset(verdicts.split("|")), limits=limits)


def each_denied(attempts: str) -> str:
    """A program that makes several attempts, one a line. It prints what is expected as soon as one
    does not raise ``OSError``; any other exception is a mistake, and shows as ``runtime_error``."""
    lines = "".join(f"    lambda: {line},\n" for line in attempts.strip().splitlines())
    return (
        f"import sys\nattempts = [\n{lines}]\nfor number, attempt in enumerate(attempts):\n"
        "    try: attempt()\n    except (OSError, DENIED): continue\n"
        "    print('unreachable')\n    print(number, file=sys.stderr)\n    break\n"
        "else: print('denied', len(attempts))\n"
    ).replace("DENIED", "ValueError" if "setrlimit" in attempts else "PermissionError")


FILES = attacks(
    "files",
    {
        "the machine's secrets": (
            "wrong_answer",
            each_denied(
                "open('/etc/shadow')\nopen('/root/.ssh/id_rsa')\nopen('/root/.bash_history')\n"
                "open('/var/run/docker.sock')\nopen('/run/coderl')\nopen('/boot/vmlinuz')\n"
                "open('/proc/1/environ', 'a')"
            ),
        ),
        "the machine's files": (
            "wrong_answer",
            "import os\n"
            + each_denied(
                "\n".join(
                    f"os.stat('{way}{folder}/{MARK}')"
                    for way in ("", "/../..", "/proc/1/root", "/proc/1/cwd/..")
                    for folder in HOST_FOLDERS
                )
            ),
        ),
        "out through the parent of all": (
            "wrong_answer",
            "import os\n"
            + each_denied(
                "open('/../../../etc/shadow')\nopen('/proc/1/root/etc/shadow')\n"
                "open('/proc/1/cwd/../etc/shadow')\nopen('/proc/self/root/../etc/shadow')"
            ),
        ),
        "writes the guest": (
            "wrong_answer",
            "import os\n"
            + each_denied(
                "open('/guest/runner.py', 'a')\nos.unlink('/guest/runner.py')\n"
                "os.rename('/guest', '/tmp/guest')\nos.chmod('/guest/runner.py', 0o777)\n"
                "os.utime('/guest/runner.py')\nos.symlink('/tmp', '/guest/x')\n"
                "open('/guest/sitecustomize.py', 'w')\nos.truncate('/guest/runner.py', 0)"
            ),
        ),
        "writes the interpreter": (
            "wrong_answer",
            "import os, sys\nlibrary = os.__file__\n"
            + each_denied(
                "open(library, 'a')\nopen(sys.executable, 'ab')\nos.unlink(library)\n"
                "os.chmod(library, 0o777)\nopen(os.path.dirname(library) + '/x.py', 'w')\n"
                "os.mkdir('/usr/bin/x')\nopen('/usr/lib/x', 'w')\nopen('/etc/passwd', 'a')"
            ),
        ),
        "writes where all is mounted": (
            "wrong_answer",
            "import os\n"
            + each_denied(
                "open('/x', 'w')\nos.mkdir('/x')\nos.mkdir('/box/x')\nos.rename('/box', '/x')\n"
                "os.chmod('/tmp', 0o777)\nos.chmod('/box', 0o777)\nos.rmdir('/dev/shm')\n"
                "os.mkdir('/dev/x')\nopen('/dev/x', 'w')"
            ),
        ),
        "links to what it may not write": (
            "wrong_answer",
            "import os\n"
            + each_denied(
                "os.link('/usr/bin/env', '/tmp/env')\nos.link('/guest/runner.py', 'x')\n"
                "os.link('/proc/1/exe', 'y')"
            ),
        ),
        "symbolic links for those who clean up": (
            "wrong_answer",
            "import os\nfor d in ('/tmp', '/dev/shm', '.'):\n"
            "    for n, target in enumerate(('/guest', '/usr', '/', '/box', '..', '/tmp/1')):\n"
            "        os.symlink(target, f'{d}/{n}')\n",
        ),
        "pipes and sockets in the way": (
            "wrong_answer",
            "import os, socket\nfor d in ('/tmp', '/dev/shm', '.'):\n"
            "    os.mkfifo(d + '/fifo')\n    socket.socket(socket.AF_UNIX).bind(d + '/socket')\n",
        ),
        "names that are none": (
            "wrong_answer",
            "import os\nfor d in (b'/tmp/', b'/dev/shm/', b''):\n"
            "    for name in (b'\\xff\\xfe', b'a\\nb', b' ', b'-rf', b'*', b'x' * 255):\n"
            "        os.mkdir(d + name)\n        open(d + name + b'/' + name, 'w').close()\n",
        ),
        "folders that may not be read": (
            "wrong_answer",
            "import os\nfor d in ('/tmp', '/dev/shm', '.'):\n    os.makedirs(d + '/a/b/c')\n"
            "    open(d + '/a/b/c/d', 'w').close()\n    os.chmod(d + '/a/b/c/d', 0)\n"
            "    os.chmod(d + '/a/b', 0)\n    os.chmod(d + '/a', 0)\nos.chmod('.', 0)",
        ),
        "an executable for the next": (
            "wrong_answer",
            "import os, shutil\nfor d in ('/tmp', '/dev/shm', '.'):\n"
            "    for name in ('json.py', 'os.py', 'main', 'sitecustomize.py', 'python3'):\n"
            "        open(f'{d}/{name}', 'w').write('print(1)')\n"
            "        os.chmod(f'{d}/{name}', 0o6777)\n",
        ),
        "programs with the rights of root": (
            "wrong_answer",
            "import os, subprocess\nfrom subprocess import DEVNULL, PIPE\nfound = []\n"
            "for name in ('su', 'mount', 'umount', 'passwd', 'chsh', 'newgrp', 'sudo'):\n"
            "    path = '/usr/bin/' + name\n"
            "    if os.path.exists(path) and os.stat(path).st_mode & 0o4000: found.append(path)\n"
            "for path in found[:2]:\n"
            "    child = subprocess.Popen([path], stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL)\n"
            "    for _ in range(5):\n"
            "        status = open(f'/proc/{child.pid}/status').read()\n"
            "        if '\\t0\\t' in status.partition('Uid:')[2].partition('Gid:')[0]:\n"
            "            print('unreachable')\n"
            "    child.kill()\n",
        ),
        "a folder in a folder, without end": (
            "time_limit|runtime_error",
            "import os\nwhile True:\n    os.mkdir('a')\n    os.chdir('a')",
        ),
        "files without end": (
            "time_limit|runtime_error",
            "import os\nn = 0\nwhile True:\n    n += 1\n    os.close(os.open(str(n), os.O_CREAT))",
        ),
    },
)

NETWORK = attacks(
    "network",
    {
        "another machine": (
            "wrong_answer",
            "import socket\n"
            + each_denied(
                "socket.create_connection(('1.1.1.1', 53), 1)\n"
                "socket.create_connection(('2606:4700::1111', 53), 1)\n"
                "socket.getaddrinfo('example.org', 80)\n"
                "socket.socket(2, 2).sendto(b'x', ('8.8.8.8', 53))\n"
                "socket.create_connection(('169.254.169.254', 80), 1)\n"
                "socket.create_connection(('10.0.0.1', 80), 1)\n"
                "socket.create_connection(('172.17.0.1', 2375), 1)\n"
                "socket.create_connection(('gate', 2375), 1)"
            ),
        ),
        "this machine": (
            "wrong_answer",
            "import socket\n"
            + each_denied(
                "socket.create_connection(('127.0.0.1', 8000), 1)\n"
                "socket.create_connection(('localhost', 22), 1)\n"
                "socket.create_connection(('127.0.0.1', 2375), 1)\n"
                "socket.socket(1).connect('/var/run/docker.sock')\n"
                "socket.socket(1).connect('/run/containerd/containerd.sock')\n"
                "socket.socket(1).connect('\\0coderl')\nsocket.socket(40, 1).connect((2, 1))"
            ),
        ),
        "raw packets": (
            "wrong_answer",
            "import socket\n"
            + each_denied(
                "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n"
                "socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)\n"
                "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)"
            ),
        ),
        "an interface of its own": (
            "wrong_answer",
            "import os, socket, struct, fcntl\n"
            "def tun():\n    f = os.open('/dev/net/tun', os.O_RDWR)\n"
            "    fcntl.ioctl(f, 0x400454ca, struct.pack('16sh22x', b'x', 1))\n"
            "up = lambda: fcntl.ioctl(socket.socket(2, 2), 0x8914, struct.pack('16sh', b'lo', 1))\n"
            + each_denied("tun()\nup()"),
        ),
        "a listener for the next": (
            "wrong_answer",
            "import os, socket, time\nif os.fork() == 0:\n    os.setsid()\n"
            "    for family, address in ((1, '\\0mark'), (2, ('127.0.0.1', 7391))):\n"
            "        try:\n            s = socket.socket(family)\n            s.bind(address)\n"
            "            s.listen()\n        except OSError: pass\n    time.sleep(99)\n"
            "time.sleep(0.2)",
        ),
    },
)

PROCESSES = attacks(
    "processes",
    {
        "kills its neighbours": (
            "runtime_error",
            "import os\nfor pid in [-1, *range(1, 9999)]:\n    try: os.kill(pid, 9)\n"
            "    except OSError: pass",
        ),
        "signals to the supervisor": (
            "wrong_answer",
            "import os, signal\n"
            + each_denied(
                "os.kill(1, signal.SIGSTOP)\nos.kill(1, signal.SIGINT)\nos.kill(1, 0)\n"
                "os.killpg(1, 9)\nos.kill(os.getppid(), signal.SIGSTOP)"
            ),
        ),
        "the supervisor's memory": (
            "wrong_answer",
            LIBC + NUMBERS + "place = ctypes.create_string_buffer(8)\n"
            "there = (ctypes.c_void_p * 2)(ctypes.addressof(place), 8)\n"
            + each_denied(
                "open('/proc/1/mem', 'rb')\nopen('/proc/1/mem', 'wb')\n"
                "syscall(PTRACE, 16, 1, 0, 0)\nsyscall(PTRACE, 0x4206, 1, 0, 0)\n"
                "syscall(READV, 1, there, 1, there, 1, 0)\n"
                "open('/proc/1/oom_score_adj', 'w').write('1')"
            ),
        ),
        "those who wait for their program": (
            "wrong_answer",
            LIBC + NUMBERS + "for pid in [int(p) for p in os.listdir('/proc') if p.isdigit()]:\n"
            "    if pid == os.getpid(): continue\n"
            "    for attempt in (\n"
            "        lambda: os.kill(pid, 0),\n"
            "        lambda: syscall(PTRACE, 16, pid, 0, 0),\n"
            "        lambda: open(f'/proc/{pid}/mem', 'rb'),\n"
            "        lambda: [os.open(f'/proc/{pid}/fd/{n}', os.O_RDWR) for n in (0, 1, 2)],\n"
            "    ):\n"
            "        try:\n            attempt()\n            print('unreachable', pid)\n"
            "        except OSError: pass\n",
        ),
        "another user": (
            "wrong_answer",
            "import os\n"
            + each_denied(
                "os.setuid(0)\nos.setgid(0)\nos.setresuid(-1, 0, -1)\nos.setgroups([0])\n"
                "os.setuid(os.getuid() + 1)\nos.chown('.', 0, 0)\n"
                "os.setuid(20000)\nos.setresgid(0, 0, 0)"
            ),
        ),
        "a fork bomb": (
            "time_limit",
            "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        ),
        "a fork bomb that leaves": (
            "wrong_answer|time_limit",
            "import os\nif os.fork(): os._exit(0)\nos.setsid()\n"
            "while True:\n    try: os.fork()\n    except OSError: pass",
        ),
        "a fork bomb that ends": (
            "time_limit|wrong_answer",
            "import os\nwhile True:\n    try:\n        if os.fork(): os._exit(0)\n"
            "    except OSError: pass",
        ),
        "a bomb of threads": (
            "time_limit",
            "import threading, time\nthreading.stack_size(1 << 16)\nwhile True:\n"
            "    try: threading.Thread(target=time.sleep, args=(99,)).start()\n"
            "    except RuntimeError: pass",
        ),
        "daemons": (
            "wrong_answer|time_limit",
            "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n"
            "        if os.fork() == 0:\n            time.sleep(99)\n        os._exit(0)",
        ),
        "daemons that ignore all signals": (
            "wrong_answer|time_limit",
            "import os, signal, time\nif os.fork() == 0:\n    os.setsid()\n"
            "    for n in range(1, 65):\n        try: signal.signal(n, signal.SIG_IGN)\n"
            "        except (OSError, ValueError): pass\n    while True: time.sleep(1)",
        ),
        "stopped children": (
            "wrong_answer",
            "import os, signal, time\nfor _ in range(3):\n    if os.fork() == 0:\n"
            "        os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(0.1)",
        ),
        "traced children": (
            "wrong_answer|runtime_error",
            LIBC + NUMBERS + "import signal, time\nif os.fork() == 0:\n"
            "    syscall(PTRACE, 0, 0, 0, 0)\n    os.kill(os.getpid(), signal.SIGSTOP)\n"
            "time.sleep(0.1)",
        ),
        "stops itself": (
            "time_limit",
            "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        ),
        "work in short-lived children": (
            "time_limit",
            "import os\nr, w = os.pipe()\nif os.fork() == 0:\n    for _ in range(40):\n"
            "        for _ in range(3_000_000): pass\n        if os.fork(): os._exit(0)\n"
            "    os.write(w, b'x')\n    os._exit(0)\nos.read(r, 1)\nprint('unreachable')",
        ),
    },
    memory_mb=128,
)
USER_NAMESPACE = [
    one(
        *("more processes in a user namespace", "processes", "runtime_error"),
        LIBC + "call('unshare', NEWUSER)\nimport time\nfor _ in range(20):\n"
        "    if os.fork() == 0:\n        time.sleep(9)\nprint('unreachable')",
        **WALL,
    ),
]

DEVICES = attacks(
    "devices",
    {
        "the machine's devices": (
            "wrong_answer",
            "import os\n"
            + each_denied(
                "\n".join(
                    f"os.open('/dev/{name}', os.O_RDWR)"
                    for name in (
                        *("mem", "kmem", "port", "kmsg", "kvm", "sda", "loop0", "loop-control"),
                        *("nvidia0", "vfio/vfio", "vhost-net", "userfaultfd", "console", "tty0"),
                        *("mapper/control", "hpet", "rtc0", "uinput", "snd/timer"),
                    )
                )
            ),
        ),
        "a device of its own making": (
            "wrong_answer",
            "import os, stat\n"
            "def made(path, kind, *number):\n"
            "    os.mknod(path, 0o666 | kind, os.makedev(*number))\n"
            "    os.open(path, os.O_RDONLY)\n"
            + each_denied(
                "made('m', stat.S_IFCHR, 1, 1)\nmade('/tmp/d', stat.S_IFBLK, 8, 0)\n"
                "made('/dev/shm/k', stat.S_IFCHR, 10, 232)\nmade('n', stat.S_IFCHR, 1, 11)"
            ),
        ),
        "a file system of its own making": (
            "wrong_answer",
            LIBC
            + each_denied(
                "os.open('/dev/fuse', os.O_RDWR) and call('mount', b'x', b'.', b'ext4', 0, None)\n"
                "call('mount', b'/dev/sda', b'/tmp', b'ext4', 0, None)"
            ),
        ),
        "a terminal's input": (
            "wrong_answer",
            "import fcntl, os\n"
            + each_denied(
                "fcntl.ioctl(0, 0x5412, b'x')\nfcntl.ioctl(os.open('/dev/tty', 2), 0x5412, b'x')"
            ),
        ),
    },
)

KERNEL = attacks(
    "kernel interfaces",
    {
        "mounts": (
            "wrong_answer",
            LIBC
            + NUMBERS
            + each_denied(
                "call('mount', b'x', b'/tmp', b'tmpfs', 0, None)\n"
                "call('mount', b'/', b'/tmp', None, 4096, None)\n"
                "call('mount', None, b'/', None, 32 | 4096, None)\n"
                "call('mount', b'x', b'/tmp', b'proc', 0, None)\n"
                "call('mount', b'x', b'/tmp', b'cgroup', 0, None)\n"
                "call('umount2', b'/tmp', 2)\nos.chroot('/tmp')\nsyscall(PIVOT_ROOT, b'.', b'.')"
            ),
        ),
        "the supervisor's namespaces": (
            "wrong_answer",
            LIBC
            + NUMBERS
            + each_denied(
                "call('unshare', NEWNS)\ncall('unshare', NEWNET)\ncall('unshare', NEWPID)\n"
                "syscall(SETNS, os.open('/proc/1/ns/mnt', 0), 0)\n"
                "syscall(SETNS, os.open('/proc/1/ns/net', 0), 0)"
            ),
        ),
        "root of a user namespace": (
            "wrong_answer",
            LIBC + "user = os.getuid()\ntry:\n    call('unshare', NEWUSER)\n"
            "    open('/proc/self/uid_map', 'w').write(f'0 {user} 1')\nexcept OSError: pass\n"
            + each_denied(
                "open('/guest/runner.py', 'a')\nopen('/proc/1/mem', 'rb')\nos.kill(1, 0)\n"
                "call('sethostname', b'x', 1)\nos.chown('.', 1, 1)\nos.mkdir('/box/x')\n"
                "call('mount', b'x', b'/tmp', b'tmpfs', 0, None)\n"
                "os.setuid(20000)"
            ),
        ),
        "what the kernel runs or loads": (
            "wrong_answer",
            LIBC
            + NUMBERS
            + each_denied(
                "syscall(BPF, 0, None, 0)\nsyscall(PERF, b'x' * 128, 0, -1, -1, 0)\n"
                "syscall(UFFD, 0)\nsyscall(MODULE, 0, b'', 0)\nsyscall(KEXEC, 0, 0, None, 0)\n"
                "syscall(SWAPON, b'/tmp/x', 0)\nsyscall(REBOOT, 0xfee1dead, 672274793, 0, None)\n"
                "syscall(ACCT, b'/tmp/x')\nsyscall(QUOTACTL, 0, None, 0, None)\n"
                "syscall(HANDLE, -100, None, 0)\nsyscall(URING, 8, None)"
            ),
        ),
        "its clock, name and log": (
            "wrong_answer",
            LIBC
            + "import time\n"
            + each_denied(
                "time.clock_settime(0, 0)\ncall('sethostname', b'x', 1)\n"
                "call('setdomainname', b'x', 1)\ncall('klogctl', 5, None, 0)\n"
                "call('settimeofday', b'\\0' * 16, None)\ncall('adjtimex', b'\\1' * 208)"
            ),
        ),
        "its settings": (
            "wrong_answer",
            "\n"
            + each_denied(
                "\n".join(
                    f"open('{path}', 'w').write('1')"
                    for path in (
                        *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname"),
                        *("/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger"),
                        *("/proc/sys/net/ipv4/ip_forward", "/sys/kernel/uevent_helper"),
                        *("/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/x"),
                        *("/proc/1/oom_score_adj", "/proc/sys/kernel/shmmax"),
                    )
                )
            ),
        ),
        "what it knows of the machine": (
            "wrong_answer",
            each_denied(
                "open('/proc/kcore', 'rb')\nopen('/proc/kallsyms')\nopen('/proc/keys')\n"
                "open('/proc/iomem')\nopen('/proc/partitions')\nopen('/proc/modules')\n"
                "open('/sys/class/dmi/id/product_uuid')\nopen('/sys/firmware/acpi/tables')\n"
                "open('/proc/config.gz')\nopen('/proc/timer_list')\nopen('/proc/bus/pci/devices')"
            ),
        ),
        "faults": (
            "runtime_error",
            "import ctypes\nctypes.string_at(0)",
        ),
        "a flood of odd system calls": (
            "wrong_answer|time_limit|runtime_error",
            "import ctypes, os, random\nlibc = ctypes.CDLL(None)\nrandom.seed(0)\n"
            "skipped = {3, 32, 33, 34, 35, 60, 61, 231, 247, 23, 7, 202, 230, 270, 271, 15, 128}\n"
            "for _ in range(3000):\n    number = random.randrange(450)\n"
            "    if number not in skipped and os.fork() == 0:\n"
            "        libc.syscall(number, *(random.choice((0, -1, 1, 2**31)) for _ in range(6)))\n"
            "        os._exit(0)\n    try: os.waitpid(-1, os.WNOHANG)\n    except OSError: pass",
        ),
    },
)

LEFT = [
    one(
        name,
        "left in the kernel",
        "wrong_answer|runtime_error",
        LIBC + code,
    )
    for name, code in {
        "shared memory": "call('shmget', 7391, 4096, 0o1666)",
        "semaphores": "call('semget', 7391, 1, 0o1666)",
        "a message queue": "call('msgget', 7391, 0o1666)",
        "a message queue of POSIX": "call('mq_open', b'/mark', 0o102, 0o666, None)",
    }.items()
]

MEMORY = attacks(
    "memory",
    {
        "heap": ("memory_limit", "a = []\nwhile True: a.append(bytearray(10**7))"),
        "fragments": (
            "memory_limit|time_limit|runtime_error",
            "a = []\nwhile True: a.append([None] * 50)",
        ),
        "one object": ("memory_limit", "a = b'a' * (1 << 40)"),
        "a text that doubles": ("memory_limit", "a = 'ab'\nwhile True: a += a"),
        "a number that squares": ("memory_limit|time_limit", "a = 3\nwhile True: a *= a"),
        "anonymous mappings": (
            "runtime_error|memory_limit",
            "import mmap\na = []\nwhile True:\n    a.append(mmap.mmap(-1, 1 << 20))\n"
            "    a[-1].write(b'a' * (1 << 20))",
        ),
        "address space that it never touches": (
            "runtime_error|memory_limit",
            "import mmap\na = []\nwhile True: a.append(mmap.mmap(-1, 1 << 24))",
        ),
        "children": (
            "time_limit|wrong_answer|runtime_error|memory_limit",
            "import os\nfor _ in range(6):\n    if not os.fork():\n        a = []\n"
            "        while True: a.append(b'a' * 10**6)\nwhile True: os.wait()",
        ),
        "a mapped file": (
            "runtime_error|memory_limit",
            "import mmap, os\nn = 0\na = []\nwhile True:\n    n += 1\n"
            "    f = open(f'/dev/shm/{n}', 'w+b')\n    f.truncate(1 << 24)\n"
            "    a.append(mmap.mmap(f.fileno(), 1 << 24))\n    a[-1].write(b'a' * (1 << 24))",
        ),
        "files in /dev/shm": (
            "runtime_error",
            "n = 0\nwhile True:\n    n += 1\n    open(f'/dev/shm/{n}', 'wb').write(b'a' * 10**6)",
        ),
        "files in /tmp": (
            "runtime_error",
            "n = 0\nwhile True:\n    n += 1\n    open(f'/tmp/{n}', 'wb').write(b'a' * 10**6)",
        ),
        "files in its folder": (
            "runtime_error|time_limit",
            "n = 0\nwhile True:\n    n += 1\n    open(str(n), 'wb').write(b'a' * 10**7)",
        ),
        "one large file": (
            "runtime_error|output_limit",
            "f = open('a', 'wb')\nwhile True: f.write(b'a' * 10**6)",
        ),
        "a hole of a terabyte": (
            "runtime_error|output_limit",
            "open('a', 'wb').truncate(1 << 40)",
        ),
        "files without a name": (
            "runtime_error|time_limit",
            "import os\na = []\nwhile True:\n    a.append(os.memfd_create('x'))\n"
            "    os.write(a[-1], b'a' * (10 << 20))",
        ),
        "pipes": (
            "runtime_error",
            "import fcntl, os\na = []\nwhile True:\n    a.append(os.pipe())\n"
            "    fcntl.fcntl(a[-1][1], fcntl.F_SETPIPE_SZ, 1 << 20)\n"
            "    os.write(a[-1][1], b'a' * (1 << 20))",
        ),
        "sockets": (
            "runtime_error",
            "import socket\na = []\nwhile True:\n    s, t = socket.socketpair()\n"
            "    s.setblocking(False)\n    a += [s, t]\n    try:\n"
            "        while True: s.send(b'a' * 100_000)\n    except BlockingIOError: pass",
        ),
        "the stack": (
            "time_limit|memory_limit|runtime_error",
            "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)",
        ),
        "the stack of C": (
            "runtime_error|memory_limit|time_limit",
            "import sys\nsys.setrecursionlimit(10**9)\na = []\nfor _ in range(3 * 10**5): a = [a]\n"
            "repr(a)",
        ),
    },
    cpu_seconds=2,
    wall_seconds=4,
)
WHOLE_SANDBOX = [
    one(
        name,
        "memory",
        "memory_limit|runtime_error|time_limit",
        LIBC + code,
        **{"cpu_seconds": 60, "wall_seconds": 15, "memory_mb": 128},
    )
    for name, code in {
        "files without a name, by many": (
            "for _ in range(3): os.fork()\na = []\nwhile True:\n"
            "    a.append(os.memfd_create('x'))\n    os.write(a[-1], b'a' * (15 << 20))"
        ),
        "a file system of its own": (
            "call('unshare', NEWUSER)\ncall('unshare', NEWNS)\n"
            "call('mount', b'x', b'/tmp', b'tmpfs', 0, None)\nn = 0\nwhile True:\n    n += 1\n"
            "    open(f'/tmp/{n}', 'wb').write(b'a' * (15 << 20))"
        ),
        "shared memory that nobody holds": (
            "libc.shmat.restype = ctypes.c_void_p\n"
            "libc.shmat.argtypes = ctypes.c_int, ctypes.c_void_p, ctypes.c_int\n"
            "libc.shmdt.argtypes = (ctypes.c_void_p,)\nwhile True:\n"
            "    place = libc.shmat(call('shmget', 0, 32 << 20, 0o1600), None, 0)\n"
            "    ctypes.memset(place, 1, 32 << 20)\n    libc.shmdt(place)"
        ),
    }.items()
]

LIMITED = attacks(
    "limits",
    {
        "floods output": ("output_limit", "while True: print('a' * 1000)"),
        "floods errors": (
            "output_limit",
            "import sys\nwhile True: print('a' * 1000, file=sys.stderr)",
        ),
        "floods both": (
            "output_limit",
            "import sys\nwhile True:\n    for stream in (sys.stdout, sys.stderr):\n"
            "        print('a' * 1000, file=stream)",
        ),
        "floods from a daemon": (
            "output_limit|wrong_answer|time_limit",
            "import os, time\nif os.fork() == 0:\n    os.setsid()\n"
            "    while True: os.write(1, b'a' * 1000)\ntime.sleep(9)",
        ),
        "an output with a hole of a gigabyte": (
            "output_limit|runtime_error",
            "import os\nos.ftruncate(1, 1 << 30)",
        ),
        "descriptors": ("runtime_error", "a = []\nwhile True: a.append(open('/dev/null'))"),
        "descriptors, by many": (
            "runtime_error|time_limit",
            "import os\nfor _ in range(2): os.fork()\na = []\nwhile True: a += os.pipe()",
        ),
        "timers": (
            "time_limit",
            "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\n"
            "signal.setitimer(signal.ITIMER_REAL, 1e-5, 1e-5)\nwhile True: pass",
        ),
        "ignores its limits": (
            "time_limit",
            "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        ),
        "ignores all signals": (
            "time_limit",
            "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\nwhile True: pass",
        ),
        "raises its limits": (
            "wrong_answer",
            "import resource as r\n"
            + each_denied(
                "\n".join(
                    f"r.setrlimit(r.RLIMIT_{name}, (1 << 40, 1 << 40))"
                    for name in ("AS", "NPROC", "FSIZE", "NOFILE", "CPU", "CORE")
                )
            ),
        ),
        "raises its limits in a user namespace": (
            "wrong_answer",
            LIBC
            + "import resource as r\ntry: call('unshare', NEWUSER)\nexcept OSError: pass\n"
            + each_denied(
                "\n".join(
                    f"r.setrlimit(r.RLIMIT_{name}, (1 << 40, 1 << 40))"
                    for name in ("AS", "NPROC", "FSIZE", "NOFILE", "CPU")
                )
            ),
        ),
        "lowers the supervisor's limits": (
            "wrong_answer",
            "import resource as r\n"
            + each_denied(
                "r.prlimit(1, r.RLIMIT_NOFILE, (1, 1))\nr.prlimit(1, r.RLIMIT_AS, (1, 1))\n"
                "r.prlimit(1, r.RLIMIT_CPU)"
            ),
        ),
        "opens the reserve for reports": (
            "memory_limit",
            "import resource\n"
            "soft, hard = resource.getrlimit(resource.RLIMIT_AS)\n"
            "resource.setrlimit(resource.RLIMIT_AS, (hard, hard))\n"
            "a = []\nwhile True: a.append(bytearray(10**7))",
        ),
        "a core dump": (
            "runtime_error",
            "import os, resource, signal\n"
            "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nos.abort()",
        ),
        "sleeps": ("time_limit", "import time\ntime.sleep(99)"),
        "waits for input that does not come": (
            "time_limit",
            "import os\nr, w = os.pipe()\nos.read(r, 1)",
        ),
    },
)

SECRETS = attacks(
    "secrets of the service",
    {
        "the environment": (
            "wrong_answer",
            "import os\nif any('CODERL' in n or 'KEY' in n for n in os.environ):\n"
            "    print('unreachable')",
        ),
        "the environment of others": (
            "wrong_answer",
            "import os\nseen = ''\nfor pid in filter(str.isdigit, os.listdir('/proc')):\n"
            "    for name in ('environ', 'cmdline'):\n"
            "        try: seen += open(f'/proc/{pid}/{name}').read()\n"
            "        except OSError: pass\n"
            "if 'CODERL_' in seen or 'secret-of' in seen: print('unreachable')",
        ),
        "the service's files": (
            "wrong_answer",
            "import os\n"
            + each_denied(
                "os.listdir('/run/coderl')\nopen('/config.json')\nopen('/guest/../config.json')\n"
                "os.listdir('/executor_api')"
            ),
        ),
        "descriptors that it was left": (
            "wrong_answer",
            "import os\nfor fd in range(6, 1024):\n    try: os.fstat(fd)\n"
            "    except OSError: continue\n    print('unreachable', fd)",
        ),
    },
)

ESCAPES = [
    *(*FILES, *NETWORK, *PROCESSES, *USER_NAMESPACE, *DEVICES, *KERNEL, *LEFT, *MEMORY),
    *(*WHOLE_SANDBOX, *LIMITED, *SECRETS),
]
