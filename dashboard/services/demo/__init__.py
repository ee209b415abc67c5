"""A believable operator, simulated: Lotus House, its people, its players and three months of their lives.

`people` invents who they are, `habits` how they play, `life` what they did, `office` what staff did
about it; these are pure, and the same seed at the same time makes the same demo. `fill` posts it all
through the services.
"""

from dashboard.services.demo.fill import Filled, fill

__all__ = ["Filled", "fill"]
