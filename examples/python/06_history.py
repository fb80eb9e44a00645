"""History: conversations outlive the process, pages lead to each other."""

import os

from tertulia import Message, Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")

with Tertulia("history.db", model=model) as tertulia:
    chat = tertulia.user("ana").conversation_for("trip to Cádiz")  # same key, same conversation
    for i in range(3):
        chat.send(f"Question {i}")
    chat.update(title="Cádiz")

with Tertulia("history.db", model=model) as tertulia:
    me = tertulia.user("ana")
    for info in me.list_conversations():
        print(info.title, info.message_count, info.updated_at.date().isoformat() > "2026")
        chat = me.conversation(info.id)
        page = chat.history(limit=2)
        messages: list[Message] = list(page)
        while not page.reached_start:
            page = chat.history(limit=2, before=page.before)
            messages[:0] = page
        print([(message.role, message.text[:10]) for message in messages])
    print("somebody else's:", len(tertulia.user("bob").list_conversations()))
