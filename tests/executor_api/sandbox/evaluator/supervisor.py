"""A supervisor for tests: runs each piece of Python it is sent and answers a repr: that of an
expression's value, or of what statements leave in ``answer``.

Frames both ways: 4 bytes of length, big-endian, then UTF-8 text.
"""

import os
import resource
import signal
import socket
import struct
import subprocess
import sys

if "--unsafe" not in sys.argv:
    assert sys.argv == ["/guest/supervisor.py"], sys.argv


def evaluate(source):
    modules = (os, resource, signal, socket, subprocess, sys)
    namespace = {module.__name__: module for module in modules}
    try:
        code = compile(source, "<sent>", "eval")
    except SyntaxError:
        exec(source, namespace)
        return repr(namespace["answer"])
    return repr(eval(code, namespace))


while head := sys.stdin.buffer.read(4):
    source = sys.stdin.buffer.read(*struct.unpack(">I", head)).decode()
    try:
        answer = evaluate(source)
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    sys.stdout.buffer.write(struct.pack(">I", len(answer.encode())) + answer.encode())
    sys.stdout.buffer.flush()
