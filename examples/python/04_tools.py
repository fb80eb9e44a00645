"""Tools: the model asks, your code answers. `send` never runs your code."""

import os

from tertulia import Tertulia, ToolResult, ToolSpec

weather = ToolSpec(
    "weather",
    "The weather in a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)

# Without TERTULIA_MODEL the bundled simulator plays a model that asks for the weather.
model = os.environ.get("TERTULIA_MODEL", 'echo/sim:tool=weather:{"city":"Cadiz"};text=Warm:%20take%20a%20hat.')

with Tertulia("memory:", model=model) as tertulia:
    chat = tertulia.user().new_conversation()
    reply = chat.send("What shall I wear in Cádiz?", tools=[weather])
    while calls := reply.tool_calls:
        results: list[ToolResult] = []
        for call in calls:
            print(f"{call.name}({call.arguments})")
            results.append(call.result({"celsius": 24, "sky": "clear"}))
        reply = chat.send(results, tools=[weather])
    print(reply.text)
