"""Branches: say something anew, ask for another answer, go back to what was there before."""

import os

from tertulia import ConflictError, Conversation, Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")


def show(chat: Conversation) -> None:
    for message in chat.history():
        versions = f" {message.sibling_index + 1}/{message.sibling_count}" if message.sibling_count > 1 else ""
        print(f"{message.role}{versions}: {message.text[:30]}")


with Tertulia("memory:", model=model) as tertulia:
    chat = tertulia.user("ana").new_conversation()
    chat.send("Plan a day in Cádiz")
    question, answer = (message.id for message in chat.history())

    chat.regenerate(answer).reply()  # beside the first answer
    chat.edit(question, "Plan two days in Cádiz").reply()  # beside the first question
    show(chat)

    chat.switch_to(answer)  # nothing was overwritten
    show(chat)
    print("branches:", [branch.depth for branch in chat.branches()])

    try:
        chat.send("And on Sunday?", expected_head=question)
    except ConflictError:
        print("the conversation ends with another message by now")

    copy = chat.duplicate(answer)  # a conversation of its own
    chat.delete_message(question, subtree=True)
    print(f"{len(chat.history())} shown here, {len(copy.history())} in the copy, {len(chat.branches())} branch left")
