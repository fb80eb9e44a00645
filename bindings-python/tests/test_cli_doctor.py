"""``doctor``: what is wrong is found and told with what to do, no key is shown, and nothing is sent to a model."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
from pathlib import Path

import pytest
import tertulia as t
from command import ASKED, KEY, MODEL, Cli, filled
from tertulia.cli.checks.store import health
from tertulia.testing import Simulator

MIGRATIONS = sorted((Path(__file__).parents[2] / "core" / "migrations" / "sqlite").glob("*.sql"))
OLD = 5
"""Of the schema, from before the index of words: the SQLite of an old Python makes it, too."""
WRONG = "WRONG"


def wrong(told: str) -> list[str]:
    """The lines that say so, each with its remedy."""
    lines = told.splitlines()
    return [f"{line} {after}" for line, after in zip(lines, lines[1:], strict=False) if line.startswith(WRONG)]


def test_a_sound_store_and_a_key_are_fine(cli: Cli, online: None, tmp_path: Path, sim: Simulator) -> None:
    filled(tmp_path / "tertulia.db", "Hi")
    done = cli("doctor")
    assert done.code == 0 and done.err == "" and done.out.endswith("Nothing is wrong.\n")
    assert f"tertulia {t.__version__}, " in done.out and "ANTHROPIC_API_KEY is set (anthropic)" in done.out
    assert (
        f"not encrypted, schema {len(MIGRATIONS)}" in done.out and "1 conversation, 2 messages, all sound" in done.out
    )
    assert KEY not in done.out and sim.requests == []
    assert "all sound" not in cli("doctor", "--quick").out


def test_it_can_be_read_by_machines(cli: Cli, online: None, tmp_path: Path) -> None:
    filled(tmp_path / "tertulia.db", "Hi")
    told = cli("doctor", "--json").json()
    assert told["ok"] is True and told["health"]["state"] == "ok"
    assert {finding["state"] for finding in told["findings"]} <= {"ok", "note"}
    assert set(told["findings"][0]) == {"about", "state", "says", "do"}
    (tmp_path / "tertulia.db").write_bytes(b"no database " * 1000)
    done = cli("doctor", "--json")
    assert done.code == 1 and done.json()["ok"] is False and done.json()["health"] is None


# The store


def test_a_store_that_is_not_there_is_wrong_only_when_it_was_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("doctor").code == 0
    named = cli("doctor", "--store", tmp_path / "other.db")
    assert named.code == 1 and "other.db" in wrong(named.out)[0] and "--store" in wrong(named.out)[0]
    monkeypatch.setenv("TERTULIA_STORE", str(tmp_path / "another.db"))
    assert "another.db" in wrong(cli("doctor").out)[0]
    assert "it is in memory" in cli("doctor", "--store", "memory:").out
    assert list(tmp_path.iterdir()) == []
    assert "is no file" in wrong(cli("doctor", "--store", tmp_path).out)[0]


def test_a_file_that_is_none_of_ours_is_told_from_an_encrypted_one(cli: Cli, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    other.close()
    done = cli("doctor", "--store", tmp_path / "other.db")
    assert done.code == 1 and "not_a_database" in wrong(done.out)[0] and "another program" in wrong(done.out)[0]

    (tmp_path / "secret.db").write_bytes(bytes(range(256)) * 64)
    done = cli("doctor", "--store", tmp_path / "secret.db")
    assert "no SQLite database, or encrypted" in done.out and "`store_key`" in wrong(done.out)[0]


def test_a_store_of_a_newer_version_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "tertulia.db"
    filled(path, "Hi")
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 900")
    database.close()
    before = path.read_bytes()
    done = cli("doctor")
    assert done.code == 1 and "newer_schema" in wrong(done.out)[0] and "update this package" in wrong(done.out)[0]
    assert path.read_bytes() == before


def test_a_store_of_an_older_version_is_said_to_be_a_new_one_now(cli: Cli, tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "tertulia.db")
    for migration in MIGRATIONS[:OLD]:
        database.executescript(migration.read_text(encoding="utf-8"))
    database.execute(f"PRAGMA application_id = {0x54455254}")
    database.execute(f"PRAGMA user_version = {OLD}")
    database.close()
    done = cli("doctor")
    assert done.code == 0, done.out
    assert f"it was of schema {OLD}; opening it has brought it to {len(MIGRATIONS)}" in done.out
    assert "opening it" not in cli("doctor").out


def test_a_damaged_store_is_found_out_and_mended_by_what_it_says(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "tertulia.db"
    chat = filled(path, "Hi")
    database = sqlite3.connect(path)
    database.execute("UPDATE conversation SET message_count = 70")
    database.commit()
    database.close()
    done = cli("doctor")
    assert done.code == 1 and "count" in wrong(done.out)[0] and "repair()" in wrong(done.out)[0]
    assert done.out.endswith("1 wrong.\n") and cli("doctor", "--quick").code == 0
    with t.Tertulia(path) as engine:
        engine.store().repair()
        assert engine.user().conversation(chat.id).summary().message_count == 2
    assert cli("doctor").code == 0


def test_pages_that_are_trash_are_found_out_and_the_rest_is_looked_at(cli: Cli, online: None, tmp_path: Path) -> None:
    path = tmp_path / "tertulia.db"
    filled(path, "Hi")
    pages = path.read_bytes()
    for kept in range(1, 12):  # from some of them on nothing can be read, others are only missed
        path.write_bytes(pages[: kept * 8192] + bytes([0xA5]) * (len(pages) - kept * 8192))
        done = cli("doctor", "--json")
        assert done.code == 1 and done.err == ""
        states = {finding["about"]: finding for finding in done.json()["findings"] if finding["state"] == "wrong"}
        assert "backup" in states["store"]["do"]
        assert "ANTHROPIC_API_KEY is set (anthropic)" in [finding["says"] for finding in done.json()["findings"]]


@pytest.mark.skipif(sys.platform == "win32", reason="rights are those of Unix")
def test_a_store_that_others_can_read_is_noted(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "tertulia.db"
    filled(path, "Hi")
    path.chmod(0o644)
    done = cli("doctor")
    assert done.code == 0 and f"chmod 600 {path}" in done.out
    path.chmod(0o600)
    assert "chmod" not in cli("doctor").out


def test_what_was_given_up_and_a_budget_that_is_used_up_are_noted(
    cli: Cli, online: None, sim: Simulator, tmp_path: Path
) -> None:
    with t.Tertulia(tmp_path / "tertulia.db") as engine:
        engine.set_budget(requests=1, per="month", each="user")
        sim.script(MODEL, "error=auth")
        assert engine.user().new_conversation().send("Hi", model=ASKED, degrade=True).status == "parked"
    sim.script(MODEL, "text=Hi")
    with t.Tertulia(tmp_path / "tertulia.db") as engine:  # which does not know of the key that was refused
        engine.user().new_conversation().send("Hi", model=ASKED)
    done = cli("doctor")
    assert "1 message of local given up, the first for key_rejected" in done.out
    assert done.code == 0 and "the budget of user per month is used up" in done.out and "begins anew" in done.out


def test_a_disk_with_little_room_is_wrong(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "tertulia.db", "Hi")
    room = shutil.disk_usage(tmp_path)._replace(free=99 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    assert "only 99.0 MiB are free" in wrong(cli("doctor").out)[0]


def test_space_that_nothing_uses_is_noted(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "tertulia.db"
    with t.Tertulia(path) as engine:
        chat = engine.user().new_conversation()
        chat.append([{"role": "user", "content": "x" * (12 << 20)}])
        chat.delete()
    assert "of it are unused" in cli("doctor").out
    with t.Tertulia(path) as engine:
        engine.store().vacuum()
    assert "unused" not in cli("doctor").out


def test_what_the_engine_says_of_its_parts_is_told() -> None:
    well, ill = t.PartHealth("cache", "ok"), t.PartHealth("store", "down", why="io")
    with t.Tertulia("memory:") as engine:
        library = engine.health().library
    (found,) = health(t.Health("down", at=0, store=ill, cache=well, outbox=well, library=library))
    assert (found.about, found.state, found.says) == ("store", "wrong", "down: io")


# Keys and settings


@pytest.mark.parametrize(
    ("value", "says"),
    [("  ", "empty"), (f"{KEY}\n", "a blank, a line end"), (f"Bearer {KEY}", "a blank"), (f'"{KEY}"', "quotes")],
)
def test_what_cannot_be_a_key_is_wrong_and_never_shown(
    value: str, says: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", value)
    done = cli("doctor")
    assert done.code == 1 and says in wrong(done.out)[0] and "as one word without quotes" in wrong(done.out)[0]
    assert KEY not in done.out + done.err


def test_a_key_of_two_variables_and_one_in_a_file_are_known(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    assert "AWS_" not in cli("doctor").out
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set (bedrock, bedrock-anthropic)" in cli("doctor").out
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    assert "the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read" in wrong(cli("doctor").out)[0]
    (tmp_path / "key.json").write_text(KEY)
    done = cli("doctor")
    assert done.code == 0 and "GOOGLE_APPLICATION_CREDENTIALS names a file (vertex" in done.out and KEY not in done.out


def test_the_model_that_is_asked_needs_a_key_and_a_provider(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_MODEL", "openai/gpt-5-mini")
    done = cli("doctor")
    assert done.code == 1 and "set OPENAI_API_KEY" in wrong(done.out)[0]
    assert cli("doctor", "--model", "echo/echo").code == 0
    monkeypatch.setenv("TERTULIA_MODEL", "nobody/any")
    done = cli("doctor")
    assert done.code == 1 and "unknown_provider" in wrong(done.out)[0] and "no key of any provider" in done.out
    assert cli("history").code == 1  # because there is no store, and not because of the model
    assert "nobody" not in cli("history").err


def test_proxies_and_certificates_are_told_without_words_that_are_secret(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{KEY}@proxy.example:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv("TERTULIA_OPENAI_BASE_URL", f"https://user:{KEY}@gate.example/v1")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    done = cli("doctor")
    assert "calls go by the proxy at proxy.example:3128" in done.out and "no_proxy: none for localhost" in done.out
    assert "TERTULIA_OPENAI_BASE_URL moves a provider to gate.example" in done.out and KEY not in done.out + done.err
    assert any("missing.pem, which cannot be read" in line for line in wrong(done.out))
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/own.pem")
    assert "set SSL_CERT_FILE for this one" in cli("doctor").out


@pytest.mark.parametrize("address", [f"https://user:{KEY}@gate.example:port/v1", f"ftp://{KEY}@x", KEY])
def test_an_address_that_is_none_is_wrong_once_and_not_shown(
    address: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "tertulia.db", "Hi")
    monkeypatch.setenv("TERTULIA_OPENAI_BASE_URL", address)
    done = cli("doctor")
    (line,) = wrong(done.out)
    assert done.code == 1 and "bad_url" in line and "variables above" in line
    assert "TERTULIA_OPENAI_BASE_URL moves a provider to" in done.out and KEY not in done.out + done.err
    assert "schema" in done.out


# The network


def test_providers_with_a_key_are_asked_whether_they_answer(cli: Cli, online: None, sim: Simulator) -> None:
    done = cli("doctor", "--network")
    assert done.code == 0 and "anthropic: it answers in " in done.out and "offers 2 models" in done.out
    assert [(request.method, request.path.partition("?")[0]) for request in sim.requests] == [("GET", "/v1/models")]


def test_a_provider_that_does_not_answer_is_wrong(cli: Cli, online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("TERTULIA_ANTHROPIC_BASE_URL", f"http://127.0.0.1:{port}/v1")
    done = cli("doctor", "--network")
    assert (
        done.code == 1
        and "unavailable (connection_refused)" in wrong(done.out)[0]
        and "the proxy" in wrong(done.out)[0]
    )


def test_a_provider_is_asked_by_name(cli: Cli, sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_OLLAMA_BASE_URL", sim.url)
    assert "ollama: it answers in " in cli("doctor", "--provider", "ollama").out
    done = cli("doctor", "--provider", "groq", "--provider", "nobody")
    assert done.code == 1 and "groq: " in wrong(done.out)[0] and "GROQ_API_KEY" in wrong(done.out)[0]
    assert "unknown_provider" in wrong(done.out)[1]
