"""A believable operator, simulated: Lotus House, its people, its players and three months of their lives,
and a year with its partners.

`people` invents who they are, `habits` how they play, `account` keeps their money by the rules, `life`
tells what they did, `evenings` who sat at the tables: these are pure, and the same seed at the same time
makes the same demo, but for how the cards fall. `fill` posts it all through the services, has the `tables`
dealt, and the `office` answer it; `partners` refer players, and `partner_months` are closed and paid.
"""

from dashboard.services.demo.fill import Filled, Progress, fill

__all__ = ["Filled", "Progress", "fill"]
