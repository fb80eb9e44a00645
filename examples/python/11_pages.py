"""Pages: open a conversation at its end, jump into it, go through all of it, ask whether it has changed."""

import os

from tertulia import NewMessage, Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")

with Tertulia("memory:", model=model) as tertulia:
    chat = tertulia.user("ana").new_conversation(title="A long talk")
    said: list[NewMessage] = []
    for n in range(5_000):
        said.append({"role": "user", "content": f"Question {n}"})
        said.append({"role": "assistant", "content": f"Answer {n}"})
    chat.append(said)

    info, page = chat.open(limit=20)  # what a screen shows first, in one read
    print(f"{info.title}: {info.message_count} messages, the last of them {page[-1].text!r}")

    middle = chat.history(position=5_001, limit=4)  # as fast as the last page
    print([message.text for message in middle])
    around = chat.history(around=middle[2].id, turns=3)  # whole turns
    print([message.text for message in around])

    print("longest:", max(len(message.text) for message in chat.messages()))  # page by page behind the scenes
    print("changed:", chat.history(unchanged_since=page.version) is not None)
