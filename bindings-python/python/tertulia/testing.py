"""For tests of programs that use Tertulia: a real HTTP server on loopback that plays the provider.

with Simulator() as sim, Tertulia("memory:", providers=[sim.provider()], model="sim/any") as t:
    sim.script("any", "text=Hello")
    assert t.ask("Hi").text == "Hello"
    assert sim.requests[0].json()["messages"][0]["content"] == "Hi"
"""

from ._native import Simulator, SimulatorRequest

__all__ = ["Simulator", "SimulatorRequest"]
