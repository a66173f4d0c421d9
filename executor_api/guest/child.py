"""The supervisor's side of a forked process: give it a program, ask for its answers, end it."""

import json
import os

import forked
from notes import NOTE
from process import Watch, end_group
from reports import HEAD, MAX_ANSWER, RING, write_all
from streams import Files


class Child:
    """A forked process, idle until it is given a program."""

    def __init__(self, zygote):
        self.zygote, self.watch = zygote, None
        self.files = Files()
        self.source, answers = os.pipe()
        orders, self._orders = os.pipe()
        self._bell, bell = os.pipe()
        self.notes = None
        self._buffer = b""
        self._position = 0
        pipes = orders, answers, bell
        zygote.fork([*self.files.descriptors(), *pipes])
        for fd in pipes:
            os.close(fd)
        self.pid = self._pid()

    def _pid(self):
        said = os.read(self._bell, forked.LENGTH.size)
        if len(said) < forked.LENGTH.size:
            raise OSError("no process could be forked for a program")
        return forked.LENGTH.unpack(said)[0]

    def assign(self, job, others, until):
        """Give it a program, to be over at ``until``; raise ``OSError`` if it could not become
        that: our failure, not the program's."""
        parts = [job]
        if job["role"] == "assertion":  # the program must not get to see it
            parts = [job | {"tests": [None]}, job["tests"]]
        for part in parts:
            data = json.dumps(part).encode()
            write_all(self._orders, forked.LENGTH.pack(len(data)) + data)
        said = os.read(self._bell, 1)  # it may have rung for its first answer, too
        if said != RING:
            said += os.read(self._bell, 4096)
            raise OSError(said.decode() or "ended before it had its program")
        self.limits = job["limits"]
        bell = self.source if job["role"] == "trace" else self._bell
        self.watch = Watch(
            self.pid, self.zygote, self.source, bell, self.files, self.limits, others
        )
        self.watch.restart(until)

    def answer(self):
        """The next answer as (bytes, None), or (None, how the process ended). What comes before it
        and is none goes to ``notes``, where there are any."""
        while True:
            self._take_notes()
            size = self._size_of_next()
            if size is not None and size > MAX_ANSWER + HEAD.size:
                return None, ("exited", 1)
            if size is not None and self._left() >= size:
                answer = self._take(size)
                if answer:
                    return answer, None
                self.files.shared = True  # what an empty one says
                continue
            data, end = self.watch.read()
            if data is None:
                return None, end
            self._buffer = self._buffer[self._position :] + data
            self._position = 0

    def _take(self, size):
        start, end = self._position + HEAD.size, self._position + size
        _, *starts = HEAD.unpack_from(self._buffer, self._position)
        self.files.starts = tuple(starts)
        self._position = end
        return self._buffer[start:end]

    def _take_notes(self):
        if self.notes is None:
            return
        while (size := self._size_of_next()) is not None and self._left() >= size:
            start = self._position + HEAD.size
            if self._buffer[start : start + 1] != NOTE or size == HEAD.size:
                return
            self.notes.add(self._take(size))

    def answered(self):
        """Whether the next answer is already here."""
        self._take_notes()
        size = self._size_of_next()
        return size is not None and self._left() >= size

    def _left(self):
        return len(self._buffer) - self._position

    def _size_of_next(self):
        """Bytes of the next answer with its head, or None while that is not here."""
        if self._left() < HEAD.size:
            return None
        return HEAD.size + HEAD.unpack_from(self._buffer, self._position)[0]

    def records(self, limit):
        """Everything the child writes until its end, at most ``limit`` bytes."""
        parts, size = [], 0
        while True:
            data, end = self.watch.read()
            if data is None:
                return b"".join(parts), end
            if size >= limit and self.watch.status is not None:
                return b"".join(parts), self.watch.end()  # a grandchild goes on writing
            if size < limit:
                parts.append(data[: limit - size])
                size += len(parts[-1])

    def go(self):
        """Let it run the next test."""
        try:
            os.write(self._orders, b"g")
        except BrokenPipeError:
            return

    def streams_payload(self):
        """What it has written so far, as the payload of a test that it did not answer."""
        stdout, stderr, truncated = self.files.read(self.limits["output_bytes"])
        return json.dumps(
            {
                "stdout": stdout.decode("utf-8", "surrogateescape"),
                "stderr": stderr.decode("utf-8", "surrogateescape"),
                "truncated": truncated,
            }
        ).encode()

    def end(self):
        """Kill and collect it, with what is left of its process group; close all."""
        end_group(self.pid)
        if self.watch is None or self.watch.status is None:
            self.zygote.ended(self.pid, wait=True)
        for fd in (self.source, self._orders, self._bell):
            os.close(fd)
        self.files.close()
