"""How large a difference must be to be found, from the spread that seeds and lenses have shown.

A difference delta with standard error SE on f degrees of freedom is claimed at level alpha when |delta| / SE exceeds
t(f, 1 - alpha/2). Only the interval is reckoned with here; where the sign-flip test allows few patterns (six seeds, or
many contrasts) it asks for more, so that the true power is somewhat lower.
"""

import math

from scipy.special import nctdtr, stdtrit

POWER = 0.8


def detectable(error: float, freedom: float, alpha: float, power: float = POWER) -> float:
    """The difference found with this power: (t(f, 1 - alpha/2) + t(f, power)) SE, in the units of the standard error.

    The usual closed form (e.g. Julious 2004, Stat. Med. 23, 1921); the exact noncentral t gives up to some per cent
    more or less at five degrees of freedom, and the same from twenty.
    """
    return float((stdtrit(freedom, 1 - alpha / 2) + stdtrit(freedom, power)) * error)


def power(effect: float, error: float, freedom: float, alpha: float) -> float:
    """Probability that a true difference `effect` is claimed, on either side: two tails of the noncentral t."""
    if error == 0:
        return float(effect != 0)
    critical, shift = stdtrit(freedom, 1 - alpha / 2), math.fabs(effect) / error
    return float(1 - nctdtr(freedom, shift, critical) + nctdtr(freedom, shift, -critical))
