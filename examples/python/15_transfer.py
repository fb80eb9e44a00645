"""Take conversations along: out into a file, with all branches, and in from a file, also from ChatGPT or Claude."""

import json
import os
from pathlib import Path

from tertulia import Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")

with Tertulia("memory:", model=model) as tertulia:
    me = tertulia.user("ana")
    trip = me.new_conversation(title="Trip")
    trip.send("Plan a day in Cádiz.")
    trip.edit(trip.history()[0].id, "Plan a rainy day in Cádiz.").reply()
    written = me.export_conversations("chats.jsonl")
    print(f"written: {written.conversations} conversation, {written.messages} messages, on all branches")

with Tertulia("memory:", model=model) as tertulia:
    me = tertulia.user("ana")
    print("would add:", me.import_conversations("chats.jsonl", dry_run=True).messages)
    me.import_conversations("chats.jsonl")
    again = me.import_conversations("chats.jsonl")
    print(f"twice is once: {again.messages} added, {again.skipped} here already")
    trip = me.conversation(me.list_conversations()[0].id)
    print("branches:", len(trip.branches()), "- shown:", trip.history()[0].text)

    # As other programs write them: what it is, is recognised.
    chat = [{"role": "user", "content": "And on Sunday?"}, {"role": "pirate", "content": "Arr"}]
    Path("messages.json").write_text(json.dumps(chat), encoding="utf-8")
    report = me.import_conversations("messages.json")
    print(
        f"{report.format}: {report.messages} message, and item {report.problems[0].item}: {report.problems[0].detail}"
    )
