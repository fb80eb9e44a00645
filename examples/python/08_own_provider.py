"""A provider of your own, as code: a function from a request to events. Everything else stays as it is: the message is
on disk first, the reply streams, and what failed before its first word is asked again."""

from collections.abc import AsyncIterator

from tertulia import ChatRequest, StreamEvent, Tertulia, TextEvent, UnavailableError

awake = False


async def house(request: ChatRequest) -> AsyncIterator[StreamEvent]:
    """Stands where a model in your own process, or a vendor's library, would stand."""
    global awake
    if not awake:
        awake = True
        raise UnavailableError.of("asleep", "the clerk is waking up", retry_after=0.01)
    answer = f"{request.model} asked {(len(request.messages) + 1) // 2} times; last: {request.messages[-1].text}"
    for word in answer.split():
        yield TextEvent(word + " ")


# A function goes by its own name. As a dict it goes by another, and says what is known of its models.
with Tertulia(
    "memory:",
    model="house/clerk",
    providers=[house, {"name": "shop", "stream": house, "models": {"clerk": {"context_window": 8_192}}}],
) as tertulia:
    chat = tertulia.user("ana").new_conversation()
    reply = chat.send("Are you open?")
    print(f"{reply.text} ({len(reply.attempts)} tries)")
    for text in chat.stream("And on Sunday?", model="shop/clerk").text():
        print(text, end="", flush=True)
    print()
    for model in tertulia.models("shop/*"):
        print(f"{model.id} reads {model.context_window} tokens")
