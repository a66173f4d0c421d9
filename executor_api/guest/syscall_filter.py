"""What a program may not ask the kernel for, beyond what its uid and limits keep from it: a user
namespace, whose capabilities would lift limits; memory that outlives it or that no limit counts
(System V and POSIX queues, semaphores and segments, files without a name); and tracing, since a
process that ends is first its tracer's.

A classic BPF program for seccomp(2): Linux, Documentation/userspace-api/seccomp_filter.rst.
"""

import ctypes
import errno
import platform
import struct

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NUMBERS = {
    # name: (x86_64, aarch64)
    "memfd_create": (319, 279),
    "mount": (165, 40),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmget": (29, 194),
    "unshare": (272, 97),
}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_NAMESPACES = 0x7E020000  # CLONE_NEW*
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW, _FAIL_WITH = 0x7FFF0000, 0x00050000

_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


def _program():
    """Its instructions. Those that begin with a name are where jumps lead, forward only."""
    column = list(_ARCHITECTURES).index(platform.machine())
    denied = [numbers[column] for numbers in _NUMBERS.values()]
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 0, "deny", _ARCHITECTURES[platform.machine()]),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, "deny", 0, _X32),
        *((_EQUAL, "deny", 0, number) for number in denied),
        (_EQUAL, "absent", 0, _CLONE3[column]),  # its flags cannot be seen: libc then uses clone
        (_EQUAL, 0, "allow", _CLONE[column]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_ANY_BIT, "deny", "allow", _NAMESPACES),
        ("allow", _RETURN, _ALLOW),
        ("absent", _RETURN, _FAIL_WITH | errno.ENOSYS),
        ("deny", _RETURN, _FAIL_WITH | errno.EPERM),
    ]
    places = {line[0]: place for place, line in enumerate(code) if type(line[0]) is str}

    def instruction(place, line):
        if type(line[0]) is str:
            line = (line[1], 0, 0, line[2])
        jumps = (places[to] - place - 1 if type(to) is str else to for to in line[1:3])
        return struct.pack("=HBBI", line[0], *jumps, line[3])

    return b"".join(instruction(place, line) for place, line in enumerate(code))


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


_CODE = _program()
_ARGUMENT = ctypes.byref(_Filter(len(_CODE) // 8, _CODE))
_PRCTL = ctypes.CDLL(None, use_errno=True).prctl


def install():
    """For this process and all it forks; ``OSError`` where the kernel refuses."""
    for arguments in ((_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, _ARGUMENT, 0, 0)):
        if _PRCTL(*arguments):
            raise OSError(ctypes.get_errno(), "the system calls of a program cannot be restricted")
