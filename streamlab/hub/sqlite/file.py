"""The file of the embedded store: one process has it, its version is known, and what is not it is kept aside."""

import logging
import os
import sqlite3
import sys
import time
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Literal

from streamlab.hub.errors import StoreRefused, StoreUnwritable
from streamlab.hub.hub import Notice
from streamlab.hub.sqlite.tables import VERSION, make_tables

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)

APPLICATION = 0x53_4C_41_42  # "SLAB": the file says whose it is
BUSY = 2.0  # seconds that another program's lock is waited for
CHECKED = 64 * 1024 * 1024  # bytes up to which the whole file is checked at start
SETTLED = 1_000_000_000  # nanoseconds after which a folder's time tells of any later change; its clock ticks slowly
LONG = 16 * 1024 * 1024  # bytes of the write-ahead log after which it is moved into the file without a pause

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_COMPANIONS = ("", "-wal", "-shm", "-journal")
_BEFORE = """
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA secure_delete = ON;
    PRAGMA locking_mode = EXCLUSIVE;
"""
_PRAGMAS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = 0;
"""


class StoreFile:
    """Holds the file from its making until it is closed, and the one connection to it.

    Raises StoreRefused when the file is not to be touched, StoreUnwritable when nothing can be kept there, and
    DatabaseError when it is damaged and not to be kept aside by `renews`.
    """

    def __init__(self, path: Path, *, renews: bool = True) -> None:
        self.path = path
        self._renews = renews
        self.notice: Notice | None = None
        self._lock = _locked(path)
        self._identities: tuple[_Identity | None, ...] = (None, None)  # of the file and its write-ahead log
        self._folder = str(path.parent)
        self._undisturbed: tuple[int, ...] | None = None  # the folder, as it was when all was looked at
        try:
            self.connection = self._opened()
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Move everything into the file itself, and let go of it."""
        self.connection.close()
        self._lock.close()

    def renew(self) -> None:
        """Keep the file aside, which turned out to be damaged, and begin a new one."""
        with suppress(sqlite3.Error):
            self.connection.close()
        self._keep_aside("damaged")
        self.connection = self._connected()

    @property
    def undisturbed(self) -> bool:
        """Tell whether the folder is as it was when all was found in its place."""
        return self._undisturbed is not None and _state(self._folder) == self._undisturbed

    def look(self) -> bool:
        """Be sure that it is still this file that is at the path; tell whether a new one was begun because it is not.

        A file that was removed goes on to take what is written to it, and is gone with the process. Raises
        StoreRefused or StoreUnwritable when no other can be begun; then nothing is kept until one can.
        """
        if self.undisturbed:
            return False
        folder, self._undisturbed = _state(self._folder), None
        now = self._identified()
        if now[0] != self._identities[0]:
            self._begin_anew(now[0])
            return True
        try:
            self._keep_lock()
        except (StoreRefused, StoreUnwritable):
            return False  # nobody else gets in: SQLite has locked the file as well, as long as it is open
        if now != self._identities:
            self._reopen()
        else:
            self._undisturbed = folder
        return False

    def _begin_anew(self, found: "_Identity | None") -> None:
        with suppress(sqlite3.Error):  # whoever moved the file away has all of it
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with suppress(sqlite3.Error):
            self.connection.close()
        self._keep_lock()
        try:
            if _identify(self._log) == self._identities[1]:  # SQLite would read it into the next file
                os.unlink(self._log)
            if found and not _check_owner(self.path):
                self._keep_aside("replaced")
        except OSError as error:
            raise StoreUnwritable(f"{self.path} cannot be written ({error.strerror})") from None
        self.connection = self._opened()
        if not found:
            logger.warning("%s was removed: a new one is begun, and what was kept before is gone", self.path)
            self.notice = Notice("gone", str(self.path))

    def _keep_lock(self) -> None:
        """Lock the path anew where the lock's file is not there any more, so that no other process begins here."""
        status = os.fstat(self._lock.fileno())
        if _identify(_lock_path(self.path)) != (status.st_dev, status.st_ino):
            lock = _locked(self.path)
            self._lock.close()
            self._lock = lock

    def _reopen(self) -> None:
        """Begin a new write-ahead log where it alone was removed; what it held is moved into the file first."""
        try:
            busy, *_ = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            return  # tried again at the next look
        if not busy:
            self.connection.close()
            self.connection = self._opened()
            logger.warning("%s was removed: what it held is in %s", self._log, self.path)

    @property
    def has_long_log(self) -> bool:
        """Tell whether so much is in the write-ahead log that it is to be moved into the file under load, too."""
        try:
            return self._log.stat().st_size > LONG
        except OSError:
            return False

    @property
    def _log(self) -> Path:
        return Path(f"{self.path}-wal")

    def _identified(self) -> "tuple[_Identity | None, ...]":
        return _identify(self.path), _identify(self._log)

    def _opened(self) -> sqlite3.Connection:
        try:
            try:
                return self._connected()
            except sqlite3.DatabaseError as error:
                if not (self._renews and is_damage(error)):
                    raise
                self._keep_aside("damaged")
                return self._connected()
        except sqlite3.OperationalError as error:
            if _code(error) in _HELD:
                raise StoreRefused(f"{self.path} is locked by another program. {_ELSEWHERE}") from None
            raise StoreUnwritable(f"{self.path} cannot be written ({error})") from None
        except OSError as error:
            raise StoreUnwritable(f"{self.path} cannot be written ({error.strerror})") from None

    def _connected(self) -> sqlite3.Connection:
        new = _check_owner(self.path)
        connection = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        try:
            connection.executescript(_BEFORE)
            if new:  # whose it is stands in the file before anything else does
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.executescript(_PRAGMAS)
            _check_whole(connection, self.path)
            make_tables(connection)
        except BaseException:
            connection.close()
            raise
        self._identities = self._identified()
        return connection

    def _keep_aside(self, why: Literal["damaged", "replaced"]) -> None:
        aside = self.path.with_name(f"{self.path.name}.{why}-{time.strftime('%Y%m%d-%H%M%S')}")
        for companion in _COMPANIONS:
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}{companion}", f"{aside}{companion}")
        logger.warning("%s was %s: it is kept as %s, and a new one is begun", self.path, why, aside)
        self.notice = Notice(why, str(aside))


def check_store(path: Path | None) -> None:
    """Look whether the file may be had, if there is to be one, before anything else is begun. Raises StoreRefused.

    What is wrong with the file itself is left to whoever goes on to open it, and can tell it on the pages.
    """
    if path:
        try:
            StoreFile(path, renews=False).close()
        except StoreUnwritable:
            pass
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite says of the file that it is none of its own, or not whole."""
    return isinstance(error, sqlite3.DatabaseError) and _code(error) in _DAMAGED


_ELSEWHERE = "Processes that are to share what they keep need one REDIS_URL, others a LAB_STORE each."


_Identity = tuple[int, int]
"""What a file is told by, whatever its path: its device and its number there."""


def _identify(path: Path) -> _Identity | None:
    """Return which file is at the path; None for none. Raises StoreUnwritable when it cannot be told."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreUnwritable(f"{path} cannot be read ({error.strerror})") from None
    return status.st_dev, status.st_ino


def _state(folder: str) -> tuple[int, ...] | None:
    """Return what changes when a file in the folder is begun, moved or removed; None while it may change unseen."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    if time.time_ns() - status.st_mtime_ns < SETTLED:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _locked(path: Path) -> FileIO:
    """Lock the file for this process; the lock goes when the process does, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(_lock_path(path), "a+b", buffering=0)  # noqa: SIM115 # held for as long as the file is
    except OSError as error:
        raise StoreUnwritable(f"{path} cannot be written ({error.strerror})") from None
    try:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read(20).decode("ascii", "replace")
        lock.close()
        raise StoreRefused(f"{path} belongs to another process that runs (pid {owner}). {_ELSEWHERE}") from None
    except OSError as error:
        lock.close()
        raise StoreUnwritable(f"{path} cannot be written ({error.strerror})") from None
    return lock


def _check_owner(path: Path) -> bool:
    """Leave alone what another program or a newer version has written; tell whether there is nothing yet.

    Reads the file's head, for SQLite may write when it opens a file. https://www.sqlite.org/fileformat.html
    """
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        return True
    if not head.startswith(b"SQLite format 3\0"):  # nothing, or damaged
        return not head
    version, application = (int.from_bytes(head[place : place + 4], "big") for place in (60, 68))
    if application != APPLICATION:
        raise StoreRefused(f"{path} is a file of another program. Name another one in LAB_STORE.")
    if version > VERSION:
        raise StoreRefused(
            f"{path} was written by a newer version (its format is {version}, this version knows {VERSION}). "
            "Start that version, or name another file in LAB_STORE."
        )
    return False


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseError where the file is not whole, as far as can be told in a moment."""
    if path.stat().st_size <= CHECKED:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise _damage(found)


def _damage(found: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(found)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code; the upper bytes are its details."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
