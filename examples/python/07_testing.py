"""Testing a program that uses Tertulia: a real server on loopback plays the provider, as badly as the script says."""

from tertulia import Tertulia
from tertulia.testing import Simulator


def greeting(tertulia: Tertulia, name: str) -> str:
    """The program under test."""
    return tertulia.ask(f"Greet {name} in one word.", temperature=0).text


def test_greeting_survives_a_busy_provider() -> None:
    with Simulator() as sim, Tertulia("memory:", providers=[sim.provider()], model="sim/any") as tertulia:
        sim.script("any", "status=503;fail=1;text=Hola")
        assert greeting(tertulia, "Ana") == "Hola"
        assert sim.request_count == 2
        assert sim.requests[0].json()["temperature"] == 0


if __name__ == "__main__":
    test_greeting_survives_a_busy_provider()
    print("passed")
