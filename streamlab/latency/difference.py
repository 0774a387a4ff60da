"""How far two samples are apart, and whether chance alone could have done it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST = 3  # pairs, or values on each side, for an interval
SURE = 6  # for one that can hold 95 %: the least n with 1 - 2^(1-n) >= LEVEL
LEVEL = 0.95
RESAMPLES = 4_999


@dataclass(frozen=True, slots=True)
class Difference:
    """A typical difference of `n` pairs (of unpaired samples: the smaller one's size), and its bootstrap interval.

    `value` is the median, or the mean where that is asked for. `low` and `high` are None where there are too few.
    `confidence` is what the interval can hold at most: the widest one, from the least to the greatest value, covers the
    median with a probability of 1 - 2^(1-n), which is below 95 % for fewer than SURE. `distinguishable`: the interval
    excludes 0; None without an interval.
    """

    n: int
    value: float
    low: float | None = None
    high: float | None = None
    confidence: float | None = None

    @property
    def distinguishable(self) -> bool | None:
        return None if self.low is None or self.high is None else not self.low <= 0 <= self.high


def paired_difference(differences: Sequence[float]) -> Difference | None:
    """Return the median of the differences within pairs; None without any."""
    return _difference(float(np.median(differences)), np.median, differences) if differences else None


def mean_difference(differences: Sequence[float]) -> Difference | None:
    """Return the mean of the differences within pairs, which is that of two shares; None without any."""
    return _difference(float(np.mean(differences)), np.mean, differences) if differences else None


def unpaired_difference(before: Sequence[float], after: Sequence[float]) -> Difference | None:
    """Return the median of `after` less that of `before`, independent samples; None when one is empty."""
    if not before or not after:
        return None
    return _difference(float(np.median(after) - np.median(before)), _median_difference, after, before)


def _difference(value: float, statistic: Callable[..., Any], *samples: Sequence[float]) -> Difference:
    n = min(map(len, samples))
    if n < FEWEST:
        return Difference(n, value)
    return Difference(n, value, *_interval(samples, statistic), min(LEVEL, 1 - 2.0 ** (1 - n)))


def _interval(samples: Sequence[Sequence[float]], statistic: Callable[..., Any]) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a statistic of one sample, or of two.

    The order of the values has no effect.

    Percentile, because BCa, SciPy's default, estimates its acceleration by the jackknife, which fails for a median
    (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 11): with equal values it warns and gives nan. The
    percentile interval of a median ends at values that were observed, and of equal values is that value.
    """
    # Not at the top: it takes seconds to load, and a measurement must not wait for what its end needs.
    from scipy.stats import bootstrap  # type: ignore[import-untyped]  # its stubs are a package of their own

    interval = bootstrap(
        [np.sort(sample) for sample in samples],
        statistic,
        n_resamples=RESAMPLES,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    least, greatest = _reach(samples)  # interpolation between two values may round beyond both
    return max(float(interval.low), least), min(float(interval.high), greatest)


def _reach(samples: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return what the middle of a sample, or the difference of two, can be at least and at most."""
    if len(samples) == 1:
        return min(samples[0]), max(samples[0])
    after, before = samples
    return min(after) - max(before), max(after) - min(before)


def _median_difference(after: NDArray[np.float64], before: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    return np.asarray(np.median(after, axis=axis) - np.median(before, axis=axis))
