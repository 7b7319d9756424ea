"""The strongest path between two agents: the strengths along it multiply to the most.

Strength conducts: a relationship costs -ln(strength), so that costs add up where strengths multiply, and the cheapest
path is the strongest. One of strength 0 conducts nothing. Among paths of at most so many hops the result is exact, and
of equally cheap ones it has the fewest hops. (D. Koschützki et al., Centrality Indices, 2005)
"""

import numpy as np

from graph.analytics.network import Network

Route = list[int]


def cheapest(network: Network, source: int, target: int, hops: int) -> Route | None:
    """Finds the agents along the cheapest path of at most `hops` relationships; None if there is none.

    Level by level it computes the least cost of reaching each agent (Bellman-Ford), from those that became cheaper on
    the level before.
    """
    if source == target:
        return [source]
    usable = network.strength > 0
    start, end = network.source[usable], network.target[usable]
    cost = np.maximum(-np.log(network.strength[usable]), 0.0)
    least = np.full(network.size, np.inf)
    least[source] = 0.0
    levels = [least]
    active = least == 0.0
    for _ in range(hops):
        chosen = np.flatnonzero(active[start])
        reached = least[start[chosen]] + cost[chosen]
        # Costs never fall along a path.
        useful = reached < least[target]
        after = least.copy()
        np.minimum.at(after, end[chosen[useful]], reached[useful])
        active = after < least
        if not active.any():
            break
        least = after
        levels.append(least)
    if np.isinf(least[target]):
        return None
    return retrace(levels, start, end, cost, target)


def retrace(levels: list[np.ndarray], start: np.ndarray, end: np.ndarray, cost: np.ndarray, target: int) -> Route:
    """Walks back from the target, at each level to an agent from whom the next one has its cost."""
    level = next(number for number, least in enumerate(levels) if least[target] == levels[-1][target])
    route = [target]
    while level:
        wanted = levels[level][route[-1]]
        inward = np.flatnonzero(end == route[-1])
        from_whom = start[inward[levels[level - 1][start[inward]] + cost[inward] == wanted]]
        route.append(int(from_whom[0]))
        level -= 1
        while level and levels[level - 1][route[-1]] == levels[level][route[-1]]:
            level -= 1
    return route[::-1]
