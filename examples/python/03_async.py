"""asyncio: many conversations at once, three ways to read a stream, a timeout that stops the call."""

import asyncio
import os

from tertulia import AsyncTertulia, DoneEvent, StreamEvent, TextEvent

# At module level: making it opens no file, thread or socket, so it may stand before any fork or loop.
tertulia = AsyncTertulia("chat.db", model=os.environ.get("TERTULIA_MODEL", "echo/any"))


def show(event: StreamEvent) -> None:
    match event:
        case TextEvent(delta):
            print(delta, end="", flush=True)
        case DoneEvent(reply):
            print(f"\n{reply.usage.output_tokens} tokens, {reply.cost}")
        case _:
            pass


async def main() -> None:
    async with tertulia:
        chat = tertulia.user("ana").new_conversation()
        async for text in chat.stream("Three things to see in Cádiz?").text():
            print(text, end="", flush=True)
        print()

        async with chat.stream("Which of them on a rainy day?") as stream:  # leaving it stops the call
            async for event in stream:
                show(event)

        stream = await chat.stream("And with children?")  # from here on the message is saved
        print((await stream.reply()).text)

        cities = ["Cádiz", "Lima", "Oslo"]
        replies = await asyncio.gather(*[tertulia.ask(f"One sight of {city}?") for city in cities])
        print(*[reply.text for reply in replies], sep="\n")

        try:
            await asyncio.wait_for(chat.send("A long story, please."), timeout=0.000_001)
        except asyncio.TimeoutError:
            print("stopped; the message is kept")


asyncio.run(main())
