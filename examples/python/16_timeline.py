"""A live screen: all rows once, and then only what changes; of an answer only the words that come."""

import asyncio
import os

from tertulia import AsyncConversation, AsyncTertulia, TimelineItem

model = os.environ.get("TERTULIA_MODEL", "echo/sim:text=First%20walk%20the%20old%20town.;chunks=6;delay_ms=60")


def line(row: TimelineItem) -> str:
    if row.message is None:
        return f"-- {row.day or row.type} --"
    return f"{row.message.role} ({row.delivery or row.message.status}): {row.message.text}"


async def show(chat: AsyncConversation) -> list[TimelineItem]:
    rows: list[TimelineItem] = []
    async for batch in chat.timeline():  # as often as the screen can take it; what is late comes together
        for diff in batch:
            diff.apply(rows)
            if diff.type == "append_text":
                print(f"row {diff.index} grows: {diff.text!r}")
            else:
                print(diff.type)
        last = rows[-1].message if rows else None
        if last is not None and last.role == "assistant" and last.status == "complete":
            break
    return rows


async def main() -> None:
    async with AsyncTertulia("memory:", model=model) as tertulia:
        me = tertulia.user("ana")
        chat = me.new_conversation()
        screen = asyncio.create_task(show(chat))
        await chat.send("What to see in Cádiz?")
        for row in await screen:
            print(line(row))

        async for changes in me.watch_conversations():  # the same for the list of conversations
            print([info.last_preview for info in changes[0].items or ()])
            break


asyncio.run(main())
