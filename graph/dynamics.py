"""How minds change with time and with what happens: each formula in Python and, beside it, in Cypher.

Shares lie in [0, 1], impacts in [-1, 1], spans are in seconds, moments in whole milliseconds since 1970. All
formulas give shares for shares, in floating point as well: rounding keeps the order of numbers, so that none
leaves the range that it has on paper.

The functions whose names begin with `cypher` take Cypher expressions for the arguments of those beside them,
and may use one more than once.
"""

from dataclasses import dataclass

HOUR = 3600.0
DAY = 24 * HOUR

STRENGTH_HALF_LIFE = 30 * DAY
STRENGTH_RATE = 0.1
TRUST_GAIN = 0.05
TRUST_LOSS = 0.15
ENERGY_HALF_LIFE = 4 * HOUR
ENERGY_COST = 0.05
CONFIDENCE_HALF_LIFE = 365 * DAY
IMPORTANCE_HALF_LIFE = 90 * DAY
UNIMPORTANCE_HALF_LIFE = 7 * DAY
FORGOTTEN_BELOW = 0.05


def fade(share: float, seconds: float, half_life: float) -> float:
    """Lets a share fade to half in every half-life: v' = v · 2^(-t / h).

    To fade for a, then for b, is to fade for a + b. This is the exponential law of forgetting (Ebbinghaus 1885)
    with one rate.
    """
    return share * 2.0 ** (-seconds / half_life)


def cypher_fade(share: str, seconds: str, half_life: float) -> str:
    return f"{share} * 2.0 ^ (-({seconds}) / {half_life})"


def recover(share: float, seconds: float, half_life: float) -> float:
    """Lets what a share lacks to 1 fade: v' = 1 - (1 - v) · 2^(-t / h). Recovers for a, then b, as for a + b."""
    return 1.0 - fade(1.0 - share, seconds, half_life)


def cypher_recover(share: str, seconds: str, half_life: float) -> str:
    return f"1.0 - {cypher_fade(f'(1.0 - {share})', seconds, half_life)}"


def move(share: float, impact: float, *, gain: float, loss: float) -> float:
    """Moves a share toward 1 by a good impact and toward 0 by a bad one, by less the nearer it is.

    v' = v + gain · i · (1 - v) for i >= 0, and v + loss · i · v for i < 0: the linear operator of Bush and
    Mosteller (1951), from which Rescorla and Wagner (1972) have theirs. Gain and loss are shares, too. It rises
    with v and with i, and impacts of one sign may come in any order.
    """
    return share + (gain * impact * (1.0 - share) if impact >= 0.0 else loss * impact * share)


def cypher_move(share: str, impact: str, *, gain: float, loss: float) -> str:
    return (
        f"{share} + CASE WHEN {impact} >= 0.0"
        f" THEN {gain} * {impact} * (1.0 - {share}) ELSE {loss} * {impact} * {share} END"
    )


@dataclass(frozen=True, slots=True)
class Tie:
    """How one agent feels about another. The strength is that of a moment, `at`; trust keeps."""

    strength: float
    trust: float
    at: int

    def after(self, impact: float, at: int) -> "Tie":
        """Gives the tie after an interaction.

        Strength fades with time until then, of which there is none before the moment it is known for; then the
        impact moves it. Trust doesn't fade. It is lost faster than it is won (Slovic 1993).
        """
        strength = fade(self.strength, max(0, at - self.at) / 1000.0, STRENGTH_HALF_LIFE)
        return Tie(
            move(strength, impact, gain=STRENGTH_RATE, loss=STRENGTH_RATE),
            move(self.trust, impact, gain=TRUST_GAIN, loss=TRUST_LOSS),
            max(at, self.at),
        )


def cypher_tie_after(tie: str, interactions: str) -> str:
    """Gives [strength, trust, at] after a list of interactions, each [impact, at], one after another.

    `tie` is what it was, in the same form.
    """
    faded = cypher_fade("t[0]", _since("i[1]", "t[2]"), STRENGTH_HALF_LIFE)
    # The lists of one element give names to what the formulas use more than once.
    strength = f"[s IN [{faded}] | {cypher_move('s', 'i[0]', gain=STRENGTH_RATE, loss=STRENGTH_RATE)}][0]"
    trust = cypher_move("t[1]", "i[0]", gain=TRUST_GAIN, loss=TRUST_LOSS)
    return f"reduce(t = {tie}, i IN {interactions} | [{strength}, {trust}, {_later('i[1]', 't[2]')}])"


@dataclass(frozen=True, slots=True)
class Energy:
    """An agent's social energy at a moment."""

    share: float
    at: int

    def after(self, at: int) -> "Energy":
        """Gives the energy after the agent has started an interaction.

        It recovers with time until then, and pays a part of what is there, so that it never falls below 0.
        """
        recovered = recover(self.share, max(0, at - self.at) / 1000.0, ENERGY_HALF_LIFE)
        return Energy(recovered * (1.0 - ENERGY_COST), max(at, self.at))


def cypher_energy_after(energy: str, moments: str) -> str:
    """Gives [share, at] after an interaction was started at each of a list of moments, one after another.

    `energy` is what it was, in the same form.
    """
    recovered = cypher_recover("e[0]", _since("i", "e[1]"), ENERGY_HALF_LIFE)
    return f"reduce(e = {energy}, i IN {moments} | [({recovered}) * {1.0 - ENERGY_COST}, {_later('i', 'e[1]')}])"


def _since(at: str, before: str) -> str:
    return f"CASE WHEN {at} > {before} THEN ({at} - {before}) / 1000.0 ELSE 0.0 END"


def _later(at: str, before: str) -> str:
    return f"CASE WHEN {at} > {before} THEN {at} ELSE {before} END"


def fade_importance(importance: float, threshold: float, seconds: float) -> float:
    """Lets a memory's importance fade: slowly while it reaches its agent's threshold, fast below it.

    With w = v · 2^(-t / slow), what slow fading alone would leave: v' = w if w >= threshold; else, once v has
    come down to the threshold, threshold · (w / threshold)^(slow / fast), the rest of the time fading fast.
    To fade for a, then for b, is to fade for a + b. A memory below FORGOTTEN_BELOW is forgotten.
    """
    if importance < threshold:
        return fade(importance, seconds, UNIMPORTANCE_HALF_LIFE)
    slow = fade(importance, seconds, IMPORTANCE_HALF_LIFE)
    if slow >= threshold:
        return slow
    return threshold * (slow / threshold) ** (IMPORTANCE_HALF_LIFE / UNIMPORTANCE_HALF_LIFE)


def cypher_fade_importance(importance: str, threshold: str, seconds: str) -> str:
    slow = cypher_fade(importance, seconds, IMPORTANCE_HALF_LIFE)
    exponent = IMPORTANCE_HALF_LIFE / UNIMPORTANCE_HALF_LIFE
    return (
        f"CASE WHEN {importance} < {threshold}"
        f" THEN {cypher_fade(importance, seconds, UNIMPORTANCE_HALF_LIFE)}"
        f" WHEN {slow} >= {threshold} THEN {slow}"
        f" ELSE {threshold} * ({slow} / {threshold}) ^ {exponent} END"
    )
