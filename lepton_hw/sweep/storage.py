"""The database of a sweep's study: where it is, and that no password stands in its address.

Opens it through Optuna and turns what goes wrong into a sentence; stores nothing itself.
"""

import contextlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lepton_hw.errors import InputError, LeptonError, MissingTool

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL, Engine

DATABASE = "studies.db"
HEARTBEAT = 60  # seconds from one sign of life of a worker to the next
#: Seconds without one after which a worker on another machine counts as dead. Long, since a sign
#: needs Python's lock, and some libraries hold it through a long computation.
GRACE = 600
TRIES = 5  # at opening a database whose tables another machine is making
#: Options that an address may have, by database; none of them holds a secret. Any other may be a
#: password under another name, or a whole address of its own.
OPTIONS = {
    "sqlite": {"timeout", "mode", "cache", "uri"},
    "postgresql": {
        "application_name", "client_encoding", "connect_timeout", "host", "keepalives", "options",
        "passfile", "port", "service", "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert",
        "target_session_attrs",
    },
    "mysql": {
        "charset", "connect_timeout", "read_default_file", "read_default_group", "ssl", "ssl_ca",
        "ssl_cert", "ssl_key", "ssl_check_hostname", "unix_socket",
    },
}  # fmt: skip
OPTIONS["mariadb"] = OPTIONS["mysql"]
_EXAMPLE = "postgresql://USER@HOST/DATABASE"


def storage_url(given: str, folder: Path) -> str:
    """The address of the database, by default a file in `folder`; refuses a password in it."""
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError

    if not given:
        return str(URL.create("sqlite", database=str((folder / DATABASE).absolute())))
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # not shown: it may hold a password, too
        raise InputError(
            "--storage is not the address of a database",
            f"{_EXAMPLE}, or sqlite:///FILE",
            "correct it",
        ) from None
    options = OPTIONS.get(url.get_backend_name(), set())
    if url.password is not None or set(url.query) - options or _misplaced(url):
        # Of what is refused only that is shown which cannot be a password.
        raise InputError(
            f"--storage {url.drivername}://{url.host or ''} holds a password, or an option that may"
            " be one, which every user of this machine can read",
            f"an address without, and with {', '.join(sorted(options)) or 'nothing'} behind a '?'",
            "put it into the database's own file (~/.pgpass for PostgreSQL; for MySQL ~/.my.cnf, "
            "with ?read_default_file=~/.my.cnf) or its variable (PGPASSWORD)",
        )
    return given


def _misplaced(url: "URL") -> bool:
    """Whether user and password stand where they do not belong, as in oracle://scott/tiger@host."""
    if url.get_backend_name() == "sqlite":
        return False  # a file may have any name
    return "@" in unquote(url.database or "") or "/" in (url.username or "")


def shown(address: str) -> str:
    """The address without user, password and options, for a message."""
    from sqlalchemy.engine import URL, make_url

    url = make_url(address)
    plain = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
    return plain.render_as_string()


def open_storage(address: str) -> "RDBStorage":
    """Opens the database, and makes its tables where there are none; raises `LeptonError`."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # failures are rows of our table
    local = address.startswith("sqlite")
    options = {"connect_args": {"timeout": 60}} if local else {"pool_pre_ping": True}
    for attempt in range(TRIES):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Optuna's signs of life are called experimental
                opened = optuna.storages.RDBStorage(
                    address, options, heartbeat_interval=HEARTBEAT, grace_period=GRACE
                )
            if local:
                _lock_before_reading(opened.engine)
            return opened
        except ImportError as error:
            raise _no_client(address, error) from None
        except (SQLAlchemyError, RuntimeError) as error:
            if attempt == TRIES - 1 or not _made_at_once(error):
                raise _cannot_be_used(address, error) from None
            time.sleep(1)
    raise AssertionError


def _lock_before_reading(engine: "Engine") -> None:
    """Makes SQLite's transactions start with the write lock.

    Optuna takes a waiting trial by reading and then writing its state. Other databases lock the row
    that is read; Python's sqlite3 begins the transaction at the writing, and two workers can win.
    """
    from sqlalchemy import event

    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None  # Python is not to begin anything by itself

    def began(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)
    engine.dispose()  # of the connections that were made before


def _made_at_once(error: Exception) -> bool:
    """Whether another machine was making the same tables, of which one command then fails."""
    from sqlalchemy.exc import IntegrityError

    return isinstance(error, IntegrityError) or "already exists" in str(error)


def _no_client(address: str, error: ImportError) -> MissingTool:
    name = getattr(error.__cause__, "name", None) or error.name or "of the database"
    return MissingTool(
        f"the Python package '{name}' for {shown(address)} is not installed",
        "the database's client",
        "install it into the environment, for PostgreSQL: pip install 'psycopg[binary]'",
    )


@contextlib.contextmanager
def database_errors(address: str) -> Iterator[None]:
    """Turns what the database says in the block into a sentence."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise _cannot_be_used(address, error) from None


def _cannot_be_used(address: str, error: BaseException) -> LeptonError:
    error = error.__cause__ or error
    lines = str(getattr(error, "orig", None) or error).strip().splitlines() or ["no message"]
    return InputError(
        f"the database {shown(address)} cannot be used ({lines[0].rstrip('.')})",
        "a database that this user may write to",
        "check --storage and the server, then run the same command again",
    )
