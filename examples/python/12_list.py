"""The list: pin, archive and tag conversations, let one end by itself, remember what a user prefers."""

import os

from tertulia import Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")

with Tertulia("memory:", model=model) as tertulia:
    me = tertulia.user("ana")
    me.update_preferences(name="Ana", language="es", time_zone="Europe/Madrid", values={"theme": "dark"})
    print(f"{me.preferences().name} prefers {me.preferences().values}")

    for title, tags in [("Taxes", ["work"]), ("Cádiz", ["trip"]), ("Lisbon", ["trip"]), ("Last year", ["work"])]:
        me.new_conversation(title=title, tags=tags).send(f"Let us talk about {title}")
    taxes = me.conversation(me.list_conversations(tag="work")[1].id)
    taxes.update(pinned=True)
    me.conversation(me.list_conversations(tag="work")[1].id).update(archived=True)

    page = me.list_conversations()
    print(
        [info.title for info in page],
        "and in the archive",
        [info.title for info in me.list_conversations(archived=True)],
    )
    print("trips:", [info.title for info in me.list_conversations(tag="trip")])
    print("changed:", me.list_conversations(unchanged_since=page.version) is not None)

    secret = me.new_conversation(title="Secret", expires_in=3600)  # gone in an hour, for every verb at once
    secret.send("Forget this")
    print("ends by itself:", secret.summary().expires_at is not None)
