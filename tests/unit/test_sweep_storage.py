"""The database of a sweep: its address, which holds no password, and its errors as sentences."""

from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from lepton_hw.errors import InputError, MissingTool
from lepton_hw.sweep import storage
from lepton_hw.sweep.storage import database_errors, open_storage, shown, storage_url

SECRETS = [
    "postgresql://me:hunter2@host/db",
    "postgresql://host/db?password=hunter2",
    "mysql+pymysql://me:hunter2@host:3306/db",
    "mysql://host/db?passwd=hunter2",
    "postgresql://me:@host/db",
    "postgresql://host/db?sslpassword=hunter2",
    "oracle://host/hunter2@h",
    "oracle://host/hunter2%40h",
    "oracle://scott%2Fhunter2@host/db",
    "mssql+pyodbc://host/?odbc_connect=UID%3Dme%3BPWD%3Dhunter2",
    "mysql+mysqldb://host/db?ssl_key_pw=hunter2",
]


@pytest.mark.parametrize("address", SECRETS)
def test_a_password_in_the_address_is_refused_and_not_repeated(
    address: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        storage_url(address, tmp_path)
    assert "holds a password" in str(refused.value)
    assert "~/.pgpass" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "host" in str(refused.value)


def test_an_address_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    for address in ("hunter2", "postgresql://me:hunter2@host:port/db"):
        with pytest.raises(InputError, match="--storage is not the address of a") as refused:
            storage_url(address, tmp_path)
        assert "hunter2" not in str(refused.value)


def test_addresses(tmp_path: Path) -> None:
    for address in (
        "postgresql://me@host/db",
        "postgresql://me@host/db?passfile=~/pass&sslmode=require",
        "mysql://host/db?read_default_file=~/.my.cnf",
        "sqlite:////srv/me@work/studies.db?timeout=9",
    ):
        assert storage_url(address, tmp_path) == address
    assert storage_url("", tmp_path) == f"sqlite:///{tmp_path}/studies.db"
    odd = tmp_path / "a b?c%20#d"
    odd.mkdir()
    open_storage(storage_url("", odd))
    assert [file.name for file in odd.iterdir()] == ["studies.db"]
    assert shown("postgresql://me@host:99/db?x=y") == "postgresql://host:99/db"


def test_a_database_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"database sqlite:///.*/none/x\.db cannot be used \(un"):
        open_storage(f"sqlite:///{tmp_path}/none/x.db")
    (tmp_path / "text.db").write_text("not a database" * 100)
    with pytest.raises(InputError, match="cannot be used"):
        open_storage(f"sqlite:///{tmp_path}/text.db")


def test_a_database_without_its_client_is_a_missing_tool() -> None:
    with pytest.raises(
        MissingTool, match=r"package 'oracledb' for oracle\+oracledb://host/db is n"
    ):
        open_storage("oracle+oracledb://me@host/db")


def test_tables_that_another_machine_is_making_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    opened = []

    def busy(*_: object, **__: object) -> str:
        opened.append(1)
        if len(opened) < 3:
            raise IntegrityError("CREATE TABLE", None, Exception("duplicate key"))
        return "open"

    monkeypatch.setattr(optuna.storages, "RDBStorage", busy)
    monkeypatch.setattr(storage.time, "sleep", lambda _: None)
    assert open_storage("postgresql://host/db") == "open"
    opened.clear()
    monkeypatch.setattr(storage, "TRIES", 2)
    with pytest.raises(InputError, match="duplicate key"):
        open_storage("postgresql://host/db")


def test_a_database_that_goes_away_is_a_sentence() -> None:
    with pytest.raises(InputError, match=r"sqlite:///x cannot be used \(gone\)"):  # noqa: SIM117
        with database_errors("sqlite:///x"):
            raise OperationalError("SELECT", None, Exception("gone\nand more"))
