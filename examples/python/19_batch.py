"""Many changes at once: all of them or none, or as many as can be."""

import os

from tertulia import NotFoundError, Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")

with Tertulia("memory:", model=model) as tertulia:
    me = tertulia.user("ana")
    chats = [me.new_conversation(title=f"Trip {number}", tags=["inbox"]) for number in range(1, 7)]
    for chat in chats:
        chat.send("Plan a day in Cádiz.")

    # Into a file and out of the store: either both, or neither.
    report = me.batch().export("old_trips.jsonl", chats[:2]).delete(chats[:2]).retag(chats[2:], "inbox", "done").run()
    written = report.items[0].export
    print(f"{report.done} items done; in the file: {written.conversations if written else 0} conversations")

    # One item that cannot be, and nothing of the batch is done.
    try:
        me.batch().pin(chats).run()
    except NotFoundError as error:
        print("nothing is pinned:", error.detail)

    # As many as can be, watched from outside.
    run = (
        me.batch()
        .pin(chats)
        .append(me.new_conversation(), [{"role": "user", "content": "A note"}])
        .start(best_effort=True)
    )
    for progress in run:
        print(f"{progress.phase}: {progress.done} of {progress.total}", end="\r")
    report = run.report()
    print(f"{report.done} done, {report.refused} refused; the first of them: item {report.items[0].index}")
