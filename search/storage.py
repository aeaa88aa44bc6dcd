"""Where a study is kept: a file of SQLite, or any database that Optuna reaches by SQLAlchemy, so that many machines may work on it."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, MissingToolError, RescompError, missing_package

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

STUDY = "study.db"
"""In the directory of a search, where no other storage is named."""
HEARTBEAT, GRACE = 10, 60
"""Seconds from one sign of life of a worker to the next, and without one until its candidate is given to another."""
_TRIES = 5
"""To open a storage whose tables another worker is making."""
_JOURNAL = "a journal has no heartbeats, so that the candidate of a worker that was killed would be lost"
_DRIVERS = {"postgresql": "postgresql+psycopg"}


class StudyStorage:
    """An open storage. shown: its address without its password, and without what else stands in a query."""

    def __init__(self, url: str | None, folder: Path, *, heartbeat: int = HEARTBEAT, grace: int = GRACE) -> None:
        """url None: STUDY in `folder`. Raises InputError for what is none or cannot be reached, MissingToolError without its driver."""
        self._secrets: tuple[str, ...] = ()
        with _quiet():
            address = _parsed(url or f"sqlite:///{folder / STUDY}")
            self._secrets = _secrets_in(address, url or "")
            self.shown = address.set(query={}).render_as_string(hide_password=True) if url else str(folder / STUDY)
            with self.telling():
                self.rdb = self._open_or_again(address, heartbeat, grace)

    def _open_or_again(self, address: Any, heartbeat: int, grace: int) -> RDBStorage:
        """Of workers that begin at once one makes the tables; the others look again."""
        from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

        for _ in range(_TRIES - 1):
            try:
                return self._open(address, heartbeat, grace)
            except (IntegrityError, ProgrammingError, OperationalError) as error:
                if "exists" not in str(error):
                    raise
            time.sleep(1)
        return self._open(address, heartbeat, grace)

    def _open(self, address: Any, heartbeat: int, grace: int) -> RDBStorage:
        from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

        waiting = {"connect_args": {"timeout": 120}} if address.get_backend_name() == "sqlite" else {"pool_pre_ping": True}
        return RDBStorage(
            address.render_as_string(hide_password=False),
            engine_kwargs=waiting,
            heartbeat_interval=heartbeat,
            grace_period=grace,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
        )

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Raise InputError, with the address and no password, for what the database raises."""
        import sqlalchemy
        from optuna.exceptions import StorageInternalError

        try:
            with _quiet():
                yield
        except RescompError:
            raise
        except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
            reason = self._without_secrets(str(getattr(cause, "orig", None) or cause)).splitlines()[0]
            raise InputError(
                f"the storage {self.shown} fails ({reason}): see that it runs and takes you, then give the command again"
            ) from None
        except ModuleNotFoundError as error:
            raise missing_package(error) from None
        except ImportError as error:
            raise MissingToolError(f"the Python package for the storage {self.shown} is not installed: {_driver_of(error)}") from None

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _parsed(url: str) -> Any:
    """SQLAlchemy's URL. Raises InputError, which never shows what may hold a password, and MissingToolError."""
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    scheme = url.partition("://")[0].lower()
    if scheme.startswith(("journal", "redis")) or "://" not in url:
        what = f"a storage is a database's URL, sqlite:///study.db or postgresql://USER@HOST/NAME for instance; {_JOURNAL}"
        raise InputError(f"--storage: {what}: give such a URL, or leave it out")
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise InputError("--storage is no URL of a database: give postgresql://USER@HOST/NAME for instance, or leave it out") from None
    if address.get_backend_name() == "sqlite" and address.database in (None, "", ":memory:"):
        raise InputError("--storage: a study in memory ends with the command: name a file, sqlite:///study.db for instance")
    return address.set(drivername=_DRIVERS.get(address.drivername, address.drivername))


def _secrets_in(address: Any, url: str) -> tuple[str, ...]:
    """The password as it is and as the URL spells it, and the values of the query."""
    spelled = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    values = [value for each in address.query.values() for value in ((each,) if isinstance(each, str) else each)]
    return tuple(secret for secret in (url, str(address.password or ""), spelled, *values) if secret)


def _driver_of(error: ImportError) -> str:
    return f"pip install {error.name}" if error.name else "install the one that SQLAlchemy names for this kind of database"


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's and the migrations' own log is nobody's here: what matters is told by a listener."""
    for name in ("optuna", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
