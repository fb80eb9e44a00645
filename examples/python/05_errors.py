"""Errors: what to do about them stands in their class; what was saved stays saved."""

import os

from tertulia import InvalidError, RateLimitedError, Tertulia, TertuliaError, TruncatedError

# The bundled simulator plays a provider that hangs up in the middle of its first answer.
model = os.environ.get("TERTULIA_MODEL", "echo/sim:text=First%20walk%20the%20old%20town.;cut=2;fail=1")

with Tertulia("memory:", model=model) as tertulia:
    chat = tertulia.user().new_conversation()
    try:
        print(chat.send("Plan a day in Cádiz").text)
    except TruncatedError as error:
        print("so far:", "".join(part.text for part in error.partial if part.type == "text"))
        if error.turn_id is not None:
            print("again:", chat.retry(error.turn_id).reply().text)
    except RateLimitedError as error:
        print("come back in", error.retry_after, "seconds")
    except TertuliaError as error:
        print(error.user_message)

    try:
        chat.send("hi", model="nobody/nothing")
    except InvalidError as error:
        print(error.reason, "-", error.detail)
