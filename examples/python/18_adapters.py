"""Adapters: the OpenAI Agents SDK and LangChain keep their histories here. Needs "tertulia[agents,langchain]"."""

import asyncio

from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
from langchain_core.messages import AIMessage, HumanMessage
from openai import AsyncOpenAI
from tertulia import AsyncTertulia
from tertulia.adapters import agents_session, langchain_history
from tertulia.testing import Simulator


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: 24 °C"


async def main() -> None:
    with Simulator() as sim:  # plays the provider, so that no key is needed
        sim.script("any", 'tool=weather:{"city":"Cádiz"}')
        async with (
            AsyncTertulia("chat.db", providers=[sim.provider()], model="sim/any") as tertulia,
            AsyncOpenAI(base_url=f"{sim.url}/v1", api_key="none") as client,
        ):
            chat = tertulia.user("ana").conversation_for("trip")
            agent = Agent(name="guide", model=OpenAIChatCompletionsModel("any", client), tools=[weather])
            quiet = RunConfig(tracing_disabled=True)
            result = await Runner.run(agent, "Is it warm in Cádiz?", session=agents_session(chat), run_config=quiet)
            print(result.final_output)

            history = langchain_history(chat)  # the same conversation, for another framework
            await history.aadd_messages([HumanMessage("And the water?", name="ana"), AIMessage("22 °C", id="a1")])
            print([message.type for message in await history.aget_messages()])

            sim.script("any", "text=A%20little")
            print((await chat.send("Is that cold?")).text)  # the chat goes on without either
            print([message.role for message in await chat.history()])
            items = await agents_session(chat).get_items(limit=1)
            print(items)


asyncio.run(main())
