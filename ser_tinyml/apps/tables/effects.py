"""How much emotions move each measure, and what separates corpora rather than emotions.

Intervals are bootstraps over speakers, not over clips: clips of one voice are alike, so that a
thousand of them by two people say little of a third.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ser_tinyml.data import corpora

MEASURES = {  # column of `as_heard`: its name in pictures
    "peak_db": "peak (dB of full scale)",
    "rms_db": "RMS (dB of full scale)",
    "intensity_db": "intensity (dB)",
    "f0_median_st": "F0, median (semitones)",
    "f0_range_st": "F0, range (semitones)",
    "voicing": "voicing (share)",
    "hnr_db": "HNR (dB)",
    "jitter_percent": "jitter (%)",
    "shimmer_percent": "shimmer (%)",
    "centroid_hz": "spectral centroid (Hz)",
    "speech_rate": "speech rate (syllables/s)",
    "duration_s": "duration (s)",
}
CONFIDENCE = 0.95
FEWEST_SPEAKERS = 3  # of whom an interval can be told
FEWEST_FREEDOM = 20  # degrees of freedom, or a standard deviation is a guess
SHARES = ("corpus", "emotion", "corpus × emotion", "speaker", "clip")


def as_heard(clips: pd.DataFrame) -> pd.DataFrame:
    """The tidy table with levels and F0 on the scales of the ear too.

    Added are ``peak_db`` and ``rms_db``, in dB of full scale, and ``f0_median_st``, in semitones
    over 100 Hz: they are nearer to normal.

    Examples
    --------
    >>> clips = pd.DataFrame({"peak": [1.0], "rms": [0.1], "f0_median_hz": [200.0]})
    >>> as_heard(clips)[["peak_db", "rms_db", "f0_median_st"]].iloc[0].tolist()
    [0.0, -20.0, 12.0]
    """
    levels = {f"{name}_db": 20 * np.log10(clips[name]) for name in ("peak", "rms")}
    return clips.assign(**levels, f0_median_st=12 * np.log2(clips["f0_median_hz"] / 100))


def effects(
    clips: pd.DataFrame, *, measures: Sequence[str] = tuple(MEASURES), resamples: int, seed: int
) -> pd.DataFrame:
    """Cohen's d of every emotion against the first one (neutral, where there is such).

    A speaker's d is the mean of the emotion less the mean of the first, in standard deviations of
    clips of one speaker in one emotion, as they are in the speaker's corpus. Every speaker counts
    the same. Corpora with fewer than `FEWEST_FREEDOM` degrees of freedom for that take no part.

    Parameters
    ----------
    clips
        From `as_heard`.
    resamples
        Of the bootstrap.
    seed
        That it begins with.

    Returns
    -------
    effects
        A row each of measure and emotion: measure, emotion, against; d; low and high, the ends of
        the `CONFIDENCE` interval (SciPy's BCa), NaN below `FEWEST_SPEAKERS`; speakers; and
        ``d <corpus>``, the mean over the speakers of each corpus.
    """
    reference, *others = corpora.order_emotions(clips["emotion"])
    names = corpora.order(clips["corpus"])
    rng = np.random.default_rng(seed)
    rows = []
    for measure in measures:
        means = _cells(clips, measure)
        deviation = _deviation(clips, measure).reindex(means.index.get_level_values("corpus"))
        for emotion in others:
            moved = _column(means, emotion) - _column(means, reference)
            d = (moved / deviation.to_numpy()).dropna()
            low, high = _interval(d.to_numpy(), resamples=resamples, rng=rng)
            by_corpus = d.groupby("corpus").mean()
            rows.append(
                {
                    **{"measure": measure, "emotion": emotion, "against": reference},
                    **{"d": d.mean(), "low": low, "high": high, "speakers": len(d)},
                    **{f"d {name}": by_corpus.get(name, np.nan) for name in names},
                }
            )
    columns = ["measure", "emotion", "against", "d", "low", "high", "speakers"]
    return pd.DataFrame(rows, columns=[*columns, *(f"d {name}" for name in names)])


def shares(
    clips: pd.DataFrame, *, measures: Sequence[str] = tuple(MEASURES), resamples: int, seed: int
) -> pd.DataFrame:
    """What share of each measure's variance goes with the corpus, the emotion, the speaker.

    This is an analysis of variance over the emotions that all corpora have, in which every corpus
    counts the same, so does every emotion, and within a corpus every speaker who has all of them.
    Its parts are then orthogonal and add up to 1 (eta squared).

    Parameters
    ----------
    clips, resamples, seed
        As of `effects`. Speakers are drawn within their corpus.

    Returns
    -------
    shares
        A row each of measure and part of `SHARES`: measure, part, share, low and high, the ends of
        the `CONFIDENCE` interval (percentiles), NaN where every corpus has one speaker. Nothing
        where the corpora have fewer than two emotions in common.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for measure in measures:
        groups = _complete(clips, measure)
        if groups is None:
            continue
        found = _parts(groups)
        low, high = np.full((2, len(SHARES)), np.nan)
        if any(len(group) > 1 for group in groups):
            drawn = [_parts(_drawn(groups, rng)) for _ in range(resamples)]
            ends = (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE))
            low, high = np.percentile(drawn, ends, axis=0)
        values = zip(SHARES, found, low, high, strict=True)
        rows += [(measure, *line) for line in values]
    return pd.DataFrame(rows, columns=["measure", "part", "share", "low", "high"])


def headline(moved: pd.DataFrame, parts: pd.DataFrame) -> list[str]:
    """The largest effect, and the measures that corpora and emotions tell most of, in sentences.

    Parameters
    ----------
    moved, parts
        From `effects` and `shares`.
    """
    lines = []
    known = moved.dropna(subset=["d", "low"])
    if len(known):
        most = known.loc[known["d"].abs().idxmax()]
        lines.append(
            f"{_plain(most['measure'])}, {most['emotion']} against {most['against']}: "
            f"d {most['d']:+.2f} ({most['low']:+.2f} to {most['high']:+.2f})"
        )
    for part in ("corpus", "emotion"):
        own = parts[parts["part"] == part].dropna(subset="share")
        if len(own):
            most = own.loc[own["share"].idxmax()]
            lines.append(
                f"the {part} explains {most['share']:.0%} of {_plain(most['measure'])}, more than "
                "of any other measure"
            )
    return lines


def _plain(measure: str) -> str:
    """A measure's name without its unit."""
    return MEASURES[measure].rpartition(" (")[0]


def _cells(clips: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Means of a measure: a row a corpus and speaker, a column an emotion."""
    return clips.groupby(["corpus", "speaker", "emotion"])[measure].mean().unstack()


def _column(means: pd.DataFrame, emotion: str) -> pd.Series:
    return means[emotion] if emotion in means else pd.Series(np.nan, means.index)


def _deviation(clips: pd.DataFrame, measure: str) -> pd.Series:
    """The standard deviation within one speaker and emotion, by corpus; NaN: not known."""
    known = clips.dropna(subset=measure)
    cells = known.groupby(["corpus", "speaker", "emotion"])[measure]
    squares = ((known[measure] - cells.transform("mean")) ** 2).groupby(known["corpus"]).sum()
    freedom = cells.size().sub(1).groupby("corpus").sum()
    return np.sqrt(squares.div(freedom.where(freedom >= FEWEST_FREEDOM))).replace(0, np.nan)


def _interval(
    values: np.ndarray, *, resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    if len(values) < FEWEST_SPEAKERS or np.ptp(values) == 0:
        return np.nan, np.nan
    drawn = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=rng,
    )
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def _complete(clips: pd.DataFrame, measure: str) -> list[np.ndarray] | None:
    """Mean and variance of a measure, by corpus, speaker and emotion.

    Only emotions that all corpora have are taken, and only speakers who have all of these.

    Returns
    -------
    groups
        An array a corpus [shape=(speakers, emotions, 2)]; None: there is nothing to compare.
    """
    known = clips.dropna(subset=measure)
    cells = known.groupby(["corpus", "speaker", "emotion"])[measure]
    means, variances = cells.mean().unstack(), cells.var(ddof=0).unstack()
    common = means.notna().groupby("corpus").any().all()
    chosen = means.columns[common]
    whole = means[chosen].notna().all(axis=1)
    present = means.index[whole].get_level_values("corpus")
    if len(chosen) < 2 or set(present) != set(known["corpus"]):
        return None
    both = np.stack([means.loc[whole, chosen], variances.loc[whole, chosen]], axis=-1)
    return [both[present == name] for name in corpora.order(present)]


def _drawn(groups: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Draw as many speakers of each corpus as it has, with replacement."""
    return [group[rng.integers(0, len(group), len(group))] for group in groups]


def _parts(groups: Sequence[np.ndarray]) -> np.ndarray:
    """The shares of `SHARES` [shape=(5,)]."""
    cells = np.stack([group[..., 0].mean(axis=0) for group in groups])  # corpora x emotions
    corpus, emotion = cells.mean(axis=1), cells.mean(axis=0)
    both = cells - corpus[:, None] - emotion + cells.mean()
    speaker = [group[..., 0].mean(axis=1).var() for group in groups]
    around = [  # of clips around what corpus, emotion and speaker say
        (group[..., 0] - group[..., 0].mean(axis=1, keepdims=True) - cell + cell.mean()) ** 2
        + group[..., 1]
        for group, cell in zip(groups, cells, strict=True)
    ]
    clip = np.mean([part.mean() for part in around])
    parts = np.array([corpus.var(), emotion.var(), (both**2).mean(), np.mean(speaker), clip])
    return parts / parts.sum() if parts.sum() else np.full(len(SHARES), np.nan)
