"""Watching an engine: what happens, how long it takes, how it is; and other settings while it works."""

from tertulia import Tertulia

# The bundled simulator plays a provider that fails twice before it answers.
model = "echo/sim:text=First%20walk%20the%20old%20town.;status=503;fail=2"

with Tertulia("memory:", model=model, settings={"retry": {"base_delay_ms": 10}}) as tertulia:
    events = tertulia.events()
    print(tertulia.user("ana").new_conversation().send("Plan a day in Cádiz").text)
    for event in events:
        if event.type == "retry_scheduled":
            print(f"try {event.kind['attempt']} for {event.owner} after {event.kind['reason']}")
        if event.type == "turn_changed" and event.kind["state"] == "done":
            break

    total = tertulia.stats(window=60).total
    print(f"{total.calls} call, {total.retries} retries, success rate {total.success_rate}")
    print(f"first words after {total.first_delta_ms.p50:.0f} ms, {total.added_ms.p50:.1f} ms of them ours")

    # Calls that begin from now on see it; those under way end as they began.
    tertulia.reconfigure({"retry": {"max_attempts": 3}, "network": {"total_timeout_ms": 30_000}})
    health = tertulia.health()
    print("store", health.store.state, "-", ", ".join(f"{part.name} {part.state}" for part in health.providers))
