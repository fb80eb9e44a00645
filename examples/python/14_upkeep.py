"""Keep a store in order: look it over, copy it while it works, see what takes the space, let it rest."""

import tempfile
from pathlib import Path

import tertulia
from tertulia import Tertulia

with tempfile.TemporaryDirectory() as folder, Tertulia(Path(folder) / "chat.db", model="echo/any") as engine:
    chat = engine.user("ana").new_conversation()
    chat.send("Three things to see in Cádiz?")

    # A backup while others go on. It gets its name when it is whole, and opens like any store.
    store = engine.store()
    size = store.backup(Path(folder) / "backup.db")
    print(f"backed up: {size > 0}")

    # Once a night: is everything as it should be? What the rows can tell is mended from them.
    found = store.verify()
    print(f"{found.messages} messages in {found.conversations} conversation, sound: {found.is_sound}")
    if not found.is_sound:
        for problem in store.repair().left:
            print(f"restore the backup: {problem.place} {problem.detail}")

    # What takes the space, and giving back what was deleted.
    report = store.storage_report()
    print(f"the largest: {report.kinds[0].name}, free pages: {report.free_pages}")
    store.vacuum()

    # Before the system suspends the program: no file, no lock. Every verb says so, and nothing is lost.
    engine.suspend()
    try:
        chat.send("And on a rainy day?")
    except tertulia.ClosedError as closed:
        print(f"closed: {closed.reason}")
    engine.resume()
    print(chat.send("And on a rainy day?").text)
