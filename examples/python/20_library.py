"""The library: prompts of the application and of its users, in versions, and what else is looked up by its name."""

import os

from tertulia import ConflictError, Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")

with Tertulia("memory:", model=model) as tertulia:
    me = tertulia.user("ana")
    tertulia.prompts().put("guide", "You show {{who}} around {{place}}.")  # all users see it
    tertulia.library("setting").put("theme", {"dark": True})

    prompt = me.prompts().get("guide")
    assert prompt is not None
    chat = me.new_conversation(system=prompt.render(who="Ana", place="Cádiz"))
    print(prompt.text, "→", chat.send("Where do we begin?").status)

    me.prompts().put("guide", "Two tips for {{place}}, no more.")  # her own stands before it
    mine = me.prompts().get("guide")
    assert mine is not None
    print("shared" if mine.shared else "her own:", mine.render(place="Cádiz"))

    version = tertulia.prompts().put("guide", "You show {{who}} around {{place}}, on foot.")
    print("versions:", [row.version for row in tertulia.prompts().versions("guide")])
    try:
        tertulia.prompts().put("guide", "…", expected_version=version - 1)
    except ConflictError as conflict:
        print("somebody was faster:", conflict.reason)

    print("names:", [item.name for item in me.prompts().list()])
    theme = me.library("setting").get("theme")
    print("dark:", theme is not None and theme.value["dark"])

    for _ in range(8):
        me.prompts().get("guide")  # from memory, until somebody changes it in any process
    health = tertulia.health().library
    print(f"remembered: {health.entries} values, {health.hit_rate:.0%} of all questions")
