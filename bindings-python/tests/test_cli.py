"""The command line: each verb as a process of its own at least once, the rest by ``main`` in this one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import tertulia as t
from command import ASKED, KEY, MODEL, Cli, Done, filled, process
from tertulia.cli import _parser, main
from tertulia.cli.partner import MODELS
from tertulia.cli.verb import store_path
from tertulia.testing import Simulator

README = Path(__file__).parents[2] / "README.md"

# Each verb, as a process


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chat", "Where is my hat?"], "Where is my hat?"),
        (["history"], "Gazpacho"),
        (["search", "gazpacho"], "[Gazpacho]"),
        (["usage"], "echo/echo"),
        (["models", "echo/*"], "131,072"),
        (["export", "out.jsonl"], "1 conversation, 2 messages"),
        (["import", "in.json"], "1 conversation, 2 messages added"),
        (["doctor"], "all sound"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_verb_runs(
    arguments: list[str], words: str, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filled(tmp_path / "tertulia.db", "Gazpacho is cold")
    (tmp_path / "in.json").write_text('[{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]')
    done = process(*arguments)
    assert (done.code, done.err) == (0, "")
    assert words in done.out and "\033" not in done.out


def test_who_asks_for_help_is_told_every_verb(cli: Cli) -> None:
    told = cli("--help")
    assert told.code == 0
    for verb in ("chat", "history", "search", "usage", "models", "export", "import", "doctor"):
        assert f"\n    {verb} " in told.out and cli(verb, "--help").code == 0
    assert cli("--version").out == f"tertulia {t.__version__}\n"


def test_the_examples_of_the_readme_are_understood() -> None:
    found = [
        line for line in README.read_text(encoding="utf-8").splitlines() if re.match(r"(git diff \| )?tertulia ", line)
    ]
    assert len(found) > 5
    for line in found:
        words = shlex.split(line.partition("tertulia ")[2], comments=True)
        assert _parser().parse_args(words).run


def test_the_package_brings_the_command() -> None:
    (script,) = entry_points(group="console_scripts", name="tertulia")
    assert script.load() is main


def test_the_command_costs_the_package_nothing(offline: None) -> None:
    source = (
        "import sys, tertulia; print([name for name in ('argparse', 'tertulia.cli', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["chat"],
        ["chat", "  "],
        ["chat", "Hi", "--system", "Be brief"],
        ["chat", "Hi", "--new", "--conversation", "x"],
        ["history", "--limit", "0"],
        ["history", "--around", "x"],
        ["history", "x", "--tag", "trip"],
        ["search"],
        ["search", "hat", "--limit", "201"],
        ["usage", "--since", "yesterday"],
        ["models", "--live"],
    ],
)
def test_wrong_use_ends_with_2_and_touches_nothing(arguments: list[str], cli: Cli, tmp_path: Path) -> None:
    done = cli(*arguments)
    assert done.code == 2 and done.err.startswith("usage:") and done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_who_reads_and_goes_is_no_error(offline: None, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tertulia", "models"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as models:
        assert models.stdout is not None and models.stderr is not None
        models.stdout.readline()
        models.stdout.close()
        assert models.stderr.read() == b"" and models.wait(60) == 1


def test_a_locale_without_the_letters_is_no_failure(
    offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = process("chat", "See Cadiz", "--system", "Say Cádiz", "--new")
    assert (done.code, done.err) == (0, "")
    filled(tmp_path / "tertulia.db", "Cádiz")
    assert "C?diz" in process("history").out


# Where the store is


@pytest.mark.parametrize("variable", ["TERTULIA_HOME", "XDG_DATA_HOME", "HOME"])
@pytest.mark.skipif(sys.platform != "linux", reason="the folders are those of Linux")
def test_the_store_is_where_the_engine_has_it(
    variable: str, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERTULIA_HOME")
    monkeypatch.setenv(variable, str(tmp_path / "here"))
    path = store_path(None)
    assert path is not None and not path.exists()
    with t.Tertulia(model="echo/echo"):
        assert path.exists()


def test_a_store_is_named_by_an_option_or_a_variable(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "one.db", "the first")
    filled(tmp_path / "two.db", "the second")
    monkeypatch.setenv("TERTULIA_STORE", str(tmp_path / "one.db"))
    assert "the first" in cli("history").out
    assert "the second" in cli("history", "--store", tmp_path / "two.db").out
    assert "the second" not in cli("history", "--store", tmp_path / "two.db", "--user", "ana").out


@pytest.mark.parametrize("verb", [["history"], ["search", "hat"], ["usage"], ["export", "out.jsonl"]])
def test_a_store_that_is_not_there_is_not_made_by_looking(verb: list[str], cli: Cli, tmp_path: Path) -> None:
    done = cli(*verb, "--store", tmp_path / "misspelt.db")
    assert done.code == 1 and "misspelt.db" in done.err and "--store PATH" in done.err
    assert list(tmp_path.iterdir()) == []


def test_who_looks_things_up_sends_nothing(cli: Cli, online: None, sim: Simulator, tmp_path: Path) -> None:
    sim.script(MODEL, "status=503")
    with t.Tertulia(tmp_path / "tertulia.db", settings={"retry": {"max_attempts": 1}}) as engine:
        chat = engine.user().new_conversation()
        assert chat.send("later", model=ASKED, degrade=True).status == "waiting"
    sim.script(MODEL, "text=sent")
    sim.clear()
    assert cli("history", chat.id).code == cli("search", "later").code == cli("usage").code == 0
    told = cli("doctor", "--json").json()
    assert "1 message of local waiting to be sent" in [one["says"] for one in told["findings"]]
    assert [(r.method, r.path) for r in sim.requests] == []


# chat


def test_a_message_is_words_and_standard_input(cli: Cli, online: None, sim: Simulator) -> None:
    def sent() -> str:
        return str(sim.requests[-1].json()["messages"][-1]["content"])

    assert (
        cli("chat", "Review", "this", "-", said="a long diff\n").code == 0 and "Review this\\n\\na long diff" in sent()
    )
    assert cli("chat", "Only", "words", said="not read").code == 0
    assert "Only words" in sent() and "not read" not in sent()
    assert cli("chat", "-", said="only this").code == 0 and "only this" in sent()


def test_a_single_turn_gives_the_words_alone_and_is_kept(
    cli: Cli, online: None, sim: Simulator, tmp_path: Path
) -> None:
    sim.script(MODEL, "text=The%20old%20town.", "text=The%20museum.")
    assert cli("chat", "What to see in Cádiz?") == Done(0, "The old town.\n", "")
    assert cli("chat", said="And on a rainy day?\n") == Done(0, "The museum.\n", "")
    assert sim.requests[0].headers["x-api-key"] == KEY
    said = [message["content"] for message in sim.requests[1].json()["messages"]]
    assert len(said) == 3 and "And on a rainy day?" in str(said[2]) and "\\n" not in str(said[2])
    with t.Tertulia(tmp_path / "tertulia.db") as engine:
        (info,) = engine.user().list_conversations()
        assert info.message_count == 4


def test_a_conversation_is_begun_or_named(cli: Cli, online: None, sim: Simulator) -> None:
    first = cli("chat", "One", "--json").json()
    assert first["status"] == "done" and first["parts"][0]["type"] == "text" and first["provider"] == "anthropic"
    other = cli("chat", "Two", "--new", "--system", "Be brief.", "--json").json()
    assert other["conversation_id"] != first["conversation_id"]
    assert "Be brief." in str(sim.requests[-1].json()["system"])
    again = cli("chat", "Three", "--conversation", first["conversation_id"], "--json").json()
    assert again["conversation_id"] == first["conversation_id"] and len(sim.requests[-1].json()["messages"]) == 3
    missing = cli("chat", "Four", "--conversation", "01a20464-2411-7000-9336-af64700e0e6d")
    assert missing.code == 1 and "not_found" in missing.err and sim.request_count == 3


def test_the_model_is_the_one_named_then_the_conversations_then_the_variables(
    cli: Cli, online: None, sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> str:
        return str(sim.requests[-1].json()["model"])

    monkeypatch.setenv("TERTULIA_MODEL", "anthropic/of-the-variable")
    assert cli("chat", "Hi").code == 0 and asked() == "of-the-variable"
    assert cli("chat", "Hi", "--model", "anthropic/of-the-option").code == 0 and asked() == "of-the-option"
    with t.Tertulia(tmp_path / "tertulia.db") as engine:
        engine.user().new_conversation(model="anthropic/of-the-chat").append([{"role": "user", "content": "Hi"}])
    assert cli("chat", "Hi").code == 0 and asked() == "of-the-chat"
    monkeypatch.delenv("TERTULIA_MODEL")
    assert cli("chat", "Hi").code == 0 and asked() == "of-the-chat"
    assert cli("chat", "Hi", "--new").code == 0 and asked() == MODEL


def test_without_a_key_a_model_on_this_machine_is_asked_else_the_echo(
    cli: Cli, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("chat", "Hi", "--json").json()["provider"] == "echo"
    monkeypatch.setenv("TERTULIA_OLLAMA_BASE_URL", sim.url)
    told = cli("chat", "Hi", "--json").json()
    assert told["provider"] == "ollama" and sim.requests[-1].path == "/api/chat"


def test_every_model_that_is_asked_by_itself_is_known_and_priced() -> None:
    with t.Tertulia("memory:") as engine:
        providers = {provider.name: provider for provider in engine.providers()}
        for model in MODELS:
            assert providers[model.partition("/")[0]].key_variable
            (known,) = engine.models(model)
            assert known.price is not None, model


def test_what_fails_is_told_with_what_to_do(cli: Cli, online: None, sim: Simulator) -> None:
    sim.script(MODEL, "error=auth;message=That%20key%20is%20gone")
    done = cli("chat", "Hi")
    assert done.code == 1 and done.out == "" and KEY not in done.err
    assert "unauthorized (key_rejected)" in done.err and "anthropic says: That key is gone" in done.err

    sim.script(MODEL, "status=503;fail=1;text=At%20last")
    done = cli("chat", "Hi")
    assert (done.code, done.out) == (0, "At last\n") and done.err.startswith("[try 2 in ")

    sim.script(MODEL, "text=one%20two%20three%20four;cut=2")
    done = cli("chat", "Hi")
    assert done.code == 1 and re.fullmatch("one two ?\n", done.out) and "truncated" in done.err

    done = cli("chat", "Hi", "--model", "nobody/any")
    assert done.code == 1 and "unknown_provider" in done.err


def test_a_refusal_and_an_end_at_the_limit_are_told(cli: Cli, online: None, sim: Simulator) -> None:
    sim.script(MODEL, "text=It%20is;finish=max_tokens")
    done = cli("chat", "Hi")
    assert (done.code, done.out, done.err) == (0, "It is\n", "[it ends here: length]\n")


# history, search


def test_a_conversation_is_shown_a_page_at_a_time(cli: Cli, tmp_path: Path) -> None:
    chat = filled(tmp_path / "tertulia.db", "First", "Second", "Third")
    page = cli("history", chat.id, "--limit", 4)
    assert "Second" in page.out and "Third" in page.out and '"First"' not in page.out
    cursor = page.err.strip().removeprefix("[there is more: --before ").removesuffix("]")
    older = cli("history", chat.id, "--limit", 4, "--before", cursor)
    assert older.err == "" and older.out.count("echo/echo") == 1 and "Second" not in older.out

    told = cli("history", chat.id, "--limit", 2, "--json").json()
    assert [item["role"] for item in told["items"]] == ["user", "assistant"]
    around = cli("history", chat.id, "--limit", 1, "--around", told["items"][0]["id"]).out
    assert "Third" in around and "You said" not in around
    assert cli("history", "nonsense").code == 1


def test_conversations_are_listed_by_tag_and_from_the_archive(cli: Cli, tmp_path: Path) -> None:
    with t.Tertulia(tmp_path / "tertulia.db", model="echo/echo") as engine:
        me = engine.user()
        for title, tags, archived in (("Cádiz", ["trip"], False), ("Taxes", [], False), ("Last year", [], True)):
            chat = me.new_conversation(title=title, tags=tags)
            chat.send("Hi")
            chat.update(archived=archived)
    told = cli("history")
    assert told.out.index("Taxes") < told.out.index("Cádiz") and "Last year" not in told.out
    assert "Taxes" not in cli("history", "--tag", "trip").out
    assert "Last year" in cli("history", "--archived").out
    first = cli("history", "--limit", 1, "--json").json()
    assert first["items"][0]["title"] == "Taxes"
    assert "Cádiz" in cli("history", "--limit", 1, "--before", first["before"]).out


def test_what_is_no_text_is_named(cli: Cli, tmp_path: Path) -> None:
    with t.Tertulia(tmp_path / "tertulia.db", model="echo/echo") as engine:
        chat = engine.user().new_conversation()
        call = t.ToolCall("c1", "weather", {"city": "Cádiz"})
        ids = chat.append(
            [
                {"role": "user", "content": ["See:", t.image(data=b"\x89PNG\r\n\x1a\n", mime_type="image/png")]},
                {"role": "assistant", "content": [call]},
                {"role": "tool", "content": [call.result({"celsius": 24})]},
                {"role": "assistant", "content": "Warm"},
            ]
        )
        chat.delete_message(ids[-1])
    told = cli("history", chat.id).out
    assert "See:\n[image: image/png]" in told and '[calls weather({"city": "Cádiz"})]' in told
    assert '[it gives {"celsius": 24}]' in told and "[deleted]" in told and "Warm" not in told


def test_what_was_said_is_found(cli: Cli, tmp_path: Path) -> None:
    chat = filled(tmp_path / "tertulia.db", "An olive, an olive", "A lonely olive here")
    other = filled(tmp_path / "tertulia.db", "Salmorejo in Córdoba")
    found = cli("search", "salmorejo", "cordoba")
    assert "[Salmorejo] in [Córdoba]" in found.out and other.id in found.out
    assert "lonely" in cli("search", '"olive here" -salmorejo').out
    recent = cli("search", "olive", "--limit", 1)
    assert "lonely" in recent.out and "--before" in recent.err
    told = cli("search", "olive -lonely", "--json").json()
    assert len(told["items"]) == 2 and {hit["conversation_id"] for hit in told["items"]} == {chat.id}
    ranked = cli("search", "olive", "--sort", "relevance", "--json").json()
    assert ranked["items"][0]["score"] > 0
    nothing = cli("search", "olive", "--conversation", other.id)
    assert nothing == Done(0, "", "[nothing is found]\n")


# usage, models


def test_what_was_spent_is_counted_with_budgets(cli: Cli, online: None, tmp_path: Path, sim: Simulator) -> None:
    sim.script(MODEL, "text=Hi;usage=1000/500")
    assert cli("chat", "Hi").code == cli("chat", "Hi", "--user", "ana").code == 0
    with t.Tertulia(tmp_path / "tertulia.db") as engine:
        engine.set_budget(usd=5, per="month", each="user")
        engine.set_budget(requests=10, per="day")
        spent = engine.user().usage().total
    mine = cli("usage")
    assert (
        ASKED in mine.out and "1,000" in mine.out and "500" in mine.out and f"${spent.nano_usd / 1e9:.4f}" in mine.out
    )
    assert "Budget of user local per month: $0." in mine.out and "of $5.00 spent" in mine.out
    everybody = cli("usage", "--everybody", "--by", "user")
    assert "ana" in everybody.out and "local" in everybody.out and "all" in everybody.out and "2,000" in everybody.out
    assert "Budget of application per day: 2 requests of 10 requests spent, 8 requests left" in everybody.out
    told = cli("usage", "--by", "day", "--since", "7d", "--window", "day", "--json").json()
    assert told["usage"]["total"]["requests"] == 1 and len(told["budgets"]) == 2
    assert told["forecast"]["spent_nano_usd"] == spent.nano_usd
    assert cli("usage", "--until", "2020-01-01", "--json").json()["usage"]["total"]["requests"] == 0
    page = cli("usage", "--everybody", "--by", "user", "--limit", 1)
    assert "ana" in page.out and "local" not in page.out and "[there is more: --after " in page.err


def test_models_say_what_they_can_do_and_cost(cli: Cli) -> None:
    told = cli("models", ASKED).out
    row = told.splitlines()[1].split()
    assert row[:2] == [ASKED, "200,000"] and row[3:5] == ["3.00", "15.00"] and "tools" in row
    assert len(cli("models").out.splitlines()) > 1_000
    known = cli("models", "--provider", "anthropic", "--json").json()
    assert known and all(model["id"].startswith("anthropic/") for model in known)
    nothing = cli("models", "nobody/*")
    assert nothing.code == 1 and "models --providers" in nothing.err
    assert "ANTHROPIC_API_KEY" in cli("models", "--providers").out
    assert [one["name"] for one in cli("models", "--providers", "--provider", "groq", "--json").json()] == ["groq"]


def test_models_are_asked_of_the_provider(cli: Cli, online: None, sim: Simulator) -> None:
    sim.script("brand-new", "text=Hi")
    told = cli("models", "--provider", "anthropic", "--live", "--json").json()
    assert [model["id"] for model in told] == ["anthropic/echo", "anthropic/sim", "anthropic/brand-new"]
    assert "brand-new" in cli("models", "*/brand*", "--provider", "anthropic", "--live").out
    assert "sim" not in cli("models", "*/brand*", "--provider", "anthropic", "--live").out


# export, import


def test_conversations_are_taken_out_and_in(cli: Cli, tmp_path: Path) -> None:
    chat = filled(tmp_path / "tertulia.db", "First", "Second")
    filled(tmp_path / "tertulia.db", "Another")
    one = cli("export", tmp_path / "one.jsonl", "--conversation", chat.id, "--json").json()
    assert one["conversations"] == 1 and one["messages"] == 4
    assert cli("export", tmp_path / "all.jsonl").out.startswith("2 conversations, 6 messages")

    other = tmp_path / "other.db"
    dry = cli("import", tmp_path / "all.jsonl", "--store", other, "--dry-run")
    assert "6 messages would be added" in dry.out and not other.exists()
    assert "6 messages added" in cli("import", tmp_path / "all.jsonl", "--store", other).out
    again = cli("import", tmp_path / "all.jsonl", "--store", other, "--json").json()
    assert (again["messages"], again["skipped"]) == (0, 6)

    (tmp_path / "odd.json").write_text('[{"role": "user", "content": "A"}, {"role": "dancer", "content": "B"}]')
    odd = cli("import", tmp_path / "odd.json", "--store", other)
    assert odd.code == 1 and "1 message added" in odd.out and "item 2" in odd.err
    (tmp_path / "none.json").write_text("no JSON")
    assert cli("import", tmp_path / "none.json", "--store", other).code == 1
