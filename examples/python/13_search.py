"""Search: find what was said, in any conversation, on any branch."""

import os

from tertulia import SearchHit, Tertulia

model = os.environ.get("TERTULIA_MODEL", "echo/any")


def line(hit: SearchHit) -> str:
    place = "".join(f"[{span.text}]" if span.hit else span.text for span in hit.snippet)
    return place if hit.on_current_branch else f"{place}  (on another branch)"


with Tertulia("memory:", model=model) as tertulia:
    me = tertulia.user("ana")
    trip = me.new_conversation(title="Trip")
    trip.send("Where does one eat gazpacho in Cádiz?")
    question = trip.history()[0].id
    trip.edit(question, "Where does one eat salmorejo in Córdoba?").reply()
    me.new_conversation(title="Code").send("Explain parseHttpRequest, and 東京タワー")

    for words in ["cadiz", '"salmorejo in cordoba"', "salmo* -gazpacho", "http", "タワー"]:
        hits = me.search(words)  # the newest first
        print(f"{words}: {line(hits[-1])}")

    best = trip.search("where eat", sort="relevance", limit=1)  # the best first, in this conversation alone
    print(f"best of several: {best[0].score > 0}, there are more: {best.before is not None}")
    print("somebody else's:", len(tertulia.user("bo").search("gazpacho")))
