"""Photons and read noise for all pixels of a frame at once, from raw random bits.

Counts are exactly Poisson: Hormann 1993, Insurance: Mathematics and Economics 12, 39, algorithm PTRS: proposals from
two uniform numbers each, of which a quick test accepts three in four and a full test most of the others; the rest is
proposed anew. Gaussians are Box and Muller's 1958, from 32 bits each: none lies beyond 6.7 standard deviations.
"""

import math

import numpy as np
from jaxtyping import Float, Float32

from pipeline.lensing.kernel import LN2, F, compiled, log2

FEW = 10.0  # expected photons below which the distribution function is inverted instead
NEAREST = 1e-12  # to the ends of the proposal, where its height has no bound
REJECTED = -1.0
SPARE = 4  # pixels for which there is one more number; a seventh of them needs one


def poisson(mean: Float[np.ndarray, "h w"], random: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """Counts with those means, as whole numbers in float64."""
    flat = np.ascontiguousarray(mean, dtype=np.float64).ravel()
    counts = _propose(flat, random.bit_generator.random_raw(flat.size + flat.size // SPARE))
    while len(left := np.flatnonzero(counts == REJECTED)):
        counts[left] = _propose(flat[left], random.bit_generator.random_raw(2 * len(left)))
    return counts.reshape(mean.shape)


def gaussian(shape: tuple[int, ...], random: np.random.Generator) -> Float32[np.ndarray, "..."]:
    """Numbers of mean zero and variance one."""
    number = math.prod(shape)
    return _turned(random.bit_generator.random_raw((number + 1) // 2)).ravel()[:number].reshape(shape)


@compiled
def _turned(bits: np.ndarray) -> np.ndarray:
    """Two rows of Gaussians: the exponential of one number as the squared length of a vector, and another as its
    direction, by a polynomial in an eighth of a turn and the quadrant."""
    both = np.empty((2, len(bits)), dtype=np.float32)
    for i in range(len(bits)):
        low, high = np.uint32(bits[i]), np.uint32(bits[i] >> np.uint64(32))
        length = np.sqrt(F(-2) * LN2 * log2((F(low) + F(0.5)) * F(2.0**-32)))
        x = (F(high & np.uint32(0x3FFFFFFF)) * F(2.0**-30) - F(0.5)) * F(math.pi / 2)
        z = x * x
        sin = x * (F(1) - z * (F(1 / 6) - z * (F(1 / 120) - z * F(1 / 5040))))
        cos = F(1) - z * (F(1 / 2) - z * (F(1 / 24) - z * (F(1 / 720) - z * F(1 / 40320))))
        across = (high & np.uint32(0x40000000)) != np.uint32(0)
        sign = F(-1) if (high & np.uint32(0x80000000)) != np.uint32(0) else F(1)
        both[0, i] = sign * length * (sin if across else cos)
        both[1, i] = sign * length * (-cos if across else sin)
    return both


@compiled
def _propose(mean: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """A count for each pixel; `REJECTED` where the numbers beyond the pixels' own are used up. Of each number's bits 40
    are for the proposal and 24 for the test."""
    counts, settled = np.empty_like(mean), np.empty(len(mean), dtype=np.bool_)
    first, second = np.empty(len(bits)), np.empty(len(bits))
    for i in range(len(bits)):
        first[i] = float(np.int64(bits[i] >> np.uint64(24))) * 2.0**-40
        second[i] = float(np.int32(bits[i] & np.uint64(0xFFFFFF))) * 2.0**-24
    for i in range(len(mean)):
        many = max(mean[i], FEW)
        edge = max(0.5 - abs(first[i] - 0.5), NEAREST)
        counts[i] = _proposal(many, first[i])
        settled[i] = (mean[i] >= FEW) & (edge >= 0.07) & (second[i] <= 0.9277 - 3.6224 / (_spread(many) - 2))
    left, number = np.empty(len(mean), dtype=np.int64), 0
    for i in range(len(mean)):
        left[number] = i  # and forgotten if this one is settled: a branch here would be a guess
        number += not settled[i]
    spare = len(mean)
    for i in left[:number]:
        if mean[i] < FEW:
            counts[i] = _few(mean[i], first[i])
            continue
        accepted = _accepted(counts[i], mean[i], first[i], second[i])
        while not accepted and spare < len(first):
            counts[i] = _proposal(mean[i], first[spare])
            accepted = _accepted(counts[i], mean[i], first[spare], second[spare])
            spare += 1
        if not accepted:
            counts[i] = REJECTED
    return counts


@compiled
def _spread(mean: float) -> float:
    """b of the paper."""
    return 0.931 + 2.53 * np.sqrt(mean)


@compiled
def _proposal(mean: float, first: float) -> float:
    b, u = _spread(mean), first - 0.5
    return np.floor((2 * (0.02483 * b - 0.059) / max(0.5 - abs(u), NEAREST) + b) * u + mean + 0.43)


@compiled
def _few(mean: float, unit: float) -> float:
    """Inverse of the distribution function."""
    count, chance = 0.0, math.exp(-mean)
    below = chance
    while unit >= below and chance > 0:
        count += 1
        chance *= mean / count
        below += chance
    return count


@compiled
def _accepted(count: float, mean: float, first: float, second: float) -> bool:
    """The full test, which includes what the quick one accepts."""
    edge = max(0.5 - abs(first - 0.5), NEAREST)
    if count < 0 or (edge < 0.013 and second > edge):
        return False
    b = _spread(mean)
    height = max(second, NEAREST) * (1.1239 + 1.1328 / (b - 3.4)) / ((0.02483 * b - 0.059) / edge**2 + b)
    if count < FEW:
        return math.log(height) <= count * math.log(mean) - mean - math.lgamma(count + 1)
    stirling = (1 / 12 - (1 / 360 - 1 / (1260 * count**2)) / count**2) / count  # 1e-10 at ten
    top = count * math.log(mean / count) + count - mean - stirling
    return math.log(height * math.sqrt(2 * math.pi * count)) <= top
