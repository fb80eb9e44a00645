"""Talk to a model in the terminal. Ctrl-C stops an answer, an empty line ends; MESSAGE="hello" is a single turn.

TERTULIA_MODEL names the model; without it the bundled simulator answers.
"""

import os

from tertulia import Tertulia, TertuliaError

with Tertulia("chat.db", model=os.environ.get("TERTULIA_MODEL", "echo/any")) as tertulia:
    me = tertulia.user()
    last = me.list_conversations(limit=1)
    chat = me.conversation(last[0].id) if last else me.new_conversation(system="Answer briefly.")
    for message in chat.history(limit=6) if last else ():
        print(f"{message.role}> {message.text}")
    once = os.environ.get("MESSAGE")
    for said in [once] if once else iter(lambda: input("you> "), ""):
        try:
            for text in chat.stream(said).text():
                print(text, end="", flush=True)
            print()
        except KeyboardInterrupt:
            print(" [stopped; what had come is kept]")
        except TertuliaError as error:
            print(error.user_message)
