"""Files that come with a program and files it made: the first written as the program, before it
runs; the second read by the supervisor, afterwards."""

import base64
import os
import stat


def place(files):
    """Write ``{relative path: base64}`` into the working directory, which is empty."""
    for path, content in files.items():
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(content))


def fetch(box, paths, limit):
    """Return ({path: base64}, the first path that did not fit or None) of the regular files there
    are, at most ``limit`` bytes together.

    The program could have put anything in their place, so no link is followed on the way.
    """
    found = {}
    for path in paths:
        data = _read(box, path, limit)
        if data is None:
            continue
        if len(data) > limit:
            return found, path
        limit -= len(data)
        found[path] = base64.b64encode(data).decode()
    return found, None


def _read(box, path, limit):
    """Its first ``limit`` bytes and one more; None where there is no regular file."""
    *folders, name = path.split("/")
    try:
        folder = os.open(box, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in folders:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with open(os.open(name, flags, dir_fd=folder), "rb") as file:
                regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                return file.read(limit + 1) if regular else None
        finally:
            os.close(folder)
    except OSError:
        return None
