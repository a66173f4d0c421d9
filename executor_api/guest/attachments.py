"""Files that come with a program and files it made: the first written as the program, before it
runs; the second read by the supervisor, afterwards."""

import base64
import os
import stat
import sys


def place(files):
    """Write ``{relative path: base64}`` into the working directory, which is empty; modules among
    them can be imported."""
    sys.path.insert(0, os.getcwd())
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
                inner = _open(part, folder, stat.S_ISDIR)
                os.close(folder)
                folder = inner
            with open(_open(name, folder, stat.S_ISREG), "rb") as file:
                return file.read(limit + 1)
        finally:
            os.close(folder)
    except OSError:
        return None


def _open(name, folder, is_kind):
    """Open what stands at ``name`` itself; ``OSError`` for a link or another kind of file.

    gVisor follows a link to a directory in spite of O_NOFOLLOW, hence the comparison.
    """
    seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not is_kind(seen.st_mode):
        raise OSError(f"{name} is of another kind")
    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    if not os.path.samestat(seen, os.fstat(opened)):
        os.close(opened)
        raise OSError(f"{name} has been replaced")
    return opened
