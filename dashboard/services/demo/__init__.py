"""A believable operator, simulated: Lotus House, its people, its players and three months of their lives.

`people` invents who they are, `habits` how they play, `account` keeps their money by the rules, `life`
tells what they did: these are pure, and the same seed at the same time makes the same demo. `fill`
posts it all through the services, and has the `office` answer it.
"""

from dashboard.services.demo.fill import Filled, Progress, fill

__all__ = ["Filled", "Progress", "fill"]
