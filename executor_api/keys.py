"""API keys: who may call, under which name, and how much of the queue each may fill.

An entry is ``KEY`` or ``NAME:KEY``, then the name's own limits, if any:
``lab:6f1e… queue_programs=5000 queue_bytes=50000000``. Entries of one name are one caller with
several keys, as while one key replaces another. No message here holds a key.
"""

import asyncio
import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

__all__ = ["Entry", "Key", "KeyRing", "file_entries", "parse_keys", "setting_entries"]

log = structlog.get_logger()

Entry = tuple[str, str]
"""Where it stands, and its text."""

_LIMITS = ("queue_programs", "queue_bytes")
_LONGEST_NAME = 64
_POLL_SECONDS = 1.0
_SIGNATURE = ("st_dev", "st_ino", "st_size", "st_mtime_ns")


@dataclass(frozen=True, slots=True)
class Key:
    """One key, and the limits of its name; None: the service's."""

    name: str
    secret: str = field(repr=False)
    queue_programs: int | None = None
    queue_bytes: int | None = None


# --- reading ----------------------------------------------------------------------------


def setting_entries(text: str) -> Iterator[Entry]:
    """The entries of ``CODERL_API_KEYS``, separated by commas."""
    for position, entry in enumerate(text.split(","), 1):
        if entry.strip():
            yield f"api_keys, entry {position}", entry


def file_entries(file: Path) -> Iterator[Entry]:
    """The entries of a file, one a line; ``#`` starts a comment line. ``ValueError``."""
    try:
        text = file.read_text()
    except OSError as error:
        raise ValueError(f"api_keys_file {str(file)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"api_keys_file {str(file)!r} is not UTF-8 text") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"api_keys_file {str(file)!r}, line {number}", line


def parse_keys(entries: Iterable[Entry]) -> tuple[Key, ...]:
    """The keys of ``entries``; ``ValueError`` says what is wrong where, and the remedy."""
    keys: list[Key] = []
    unnamed: set[str] = set()
    for where, text in entries:
        key = _parse(where, text, default_name=f"key{len(keys) + 1}")
        _check_against(keys, key, where)
        keys.append(key)
        if ":" not in text.split()[0]:
            unnamed.add(key.name)
    for name in unnamed:
        if sum(key.name == name for key in keys) > 1:
            raise ValueError(f"the name {name!r} is that of a key without one: name every key")
    return tuple(keys)


def _parse(where: str, text: str, default_name: str) -> Key:
    first, *limits = text.split()
    name, separator, secret = first.rpartition(":")
    if not secret or (separator and not name):
        raise ValueError(f"{where}: a key or its name is empty: write KEY or NAME:KEY")
    if not (secret.isascii() and secret.isprintable()):
        raise ValueError(f"{where}: a key of other than printable ASCII characters: choose another")
    name = name or default_name
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"{where}: the name {name[:_LONGEST_NAME]!r} has unprintable or more than "
            f"{_LONGEST_NAME} characters: choose another"
        )
    return Key(name, secret, **dict(_limit(where, limit) for limit in limits))


def _limit(where: str, text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    if name not in _LIMITS:  # perhaps the second half of a key: not shown
        raise ValueError(f"{where}: after the key come {'=N or '.join(_LIMITS)}=N only")
    if not (value.isascii() and value.isdecimal() and len(value) < 19 and int(value)):
        raise ValueError(f"{where}: {name} is {value[:20]!r}: write a whole number from 1")
    return name, int(value)


def _check_against(keys: list[Key], key: Key, where: str) -> None:
    for other in keys:
        if other.secret == key.secret:
            raise ValueError(f"{where}: the key of {other.name!r} again: give each its own")
        if other.name == key.name and _limits(other) != _limits(key):
            raise ValueError(f"{where}: other limits than the earlier entry of {key.name!r} has")


def _limits(key: Key) -> tuple[int | None, int | None]:
    return key.queue_programs, key.queue_bytes


# --- in force ---------------------------------------------------------------------------


class _Keys:
    """What is looked up in; replaced as a whole."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self.digests = [(_digest(key.secret), key.name) for key in keys]
        self.by_name = {key.name: key for key in keys}


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


class KeyRing:
    """The keys in force: those that ``load`` returns, again whenever ``file`` has changed.

    What cannot be loaded, or would leave no key, leaves the keys as they are.
    """

    def __init__(self, load: Callable[[], tuple[Key, ...]], file: Path | None = None) -> None:
        self._load, self._file = load, file
        self._loaded = self._latest = self._signature()
        self._keys = _Keys(load())

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._keys.by_name)

    def name_of(self, secret: str) -> str | None:
        """Compared with every key in constant time, whatever the lengths."""
        given, found = _digest(secret), None
        for digest, name in self._keys.digests:
            if hmac.compare_digest(digest, given):
                found = name
        return found

    def key(self, name: str) -> Key | None:
        return self._keys.by_name.get(name)

    async def watch(self) -> None:
        """Reload whenever the file changes, for ever."""
        if self._file is None:
            return
        self._warn_of_mode()
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Reload if the file has changed since it was loaded, and has not since the last look: it
        may be being written."""
        before, self._latest = self._latest, self._signature()
        if self._latest == before != self._loaded:
            self._loaded = self._latest
            self._reload()

    def _reload(self) -> None:
        try:
            keys = _Keys(self._load())
            if self._keys.by_name and not keys.by_name:
                raise ValueError("no key is left: a service with keys is never opened to all")
        except ValueError as error:
            log.error("API keys not reloaded: the old ones stay in force", error=str(error))
            return
        old, self._keys = self._keys.by_name, keys
        log.info(
            "API keys reloaded",
            file=str(self._file),
            added=sorted(keys.by_name.keys() - old.keys()),
            removed=sorted(old.keys() - keys.by_name.keys()),
            keys=len(keys.digests),
        )
        self._warn_of_mode()

    def _signature(self) -> tuple[int, ...] | None:
        found = self._stat()
        return None if found is None else tuple(getattr(found, name) for name in _SIGNATURE)

    def _warn_of_mode(self) -> None:
        found = self._stat()
        if found is not None and found.st_mode & stat.S_IRWXO:
            log.warning(
                "other users of this machine can read or change the file of the API keys",
                file=str(self._file),
                mode=stat.filemode(found.st_mode),
                remedy=f"chmod o= {self._file}",
            )

    def _stat(self) -> os.stat_result | None:
        try:
            return None if self._file is None else self._file.stat()
        except OSError:
            return None
