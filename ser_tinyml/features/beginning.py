"""Where the features of a clip begin: at the first frame that counts beside the loudest.

Gain changes no difference of levels, and what is far below the loudest frame counts as silence,
whatever it is: zeros, dither or a quiet room. So none of them moves the beginning. Nothing looks
ahead: the beginning moves on as louder frames come, and the board follows.
``src/ser/beginning.cpp`` takes the same steps in the same precision.
"""

from __future__ import annotations

import numpy as np

from ser_tinyml.features.config import FeatureConfig

_LOG2_OF_10_OVER_10 = np.float32(0.332192809)
_NONE = float("-inf")


def level_db(bands: np.ndarray) -> np.ndarray:
    """The power of frames in dB, float32 [shape=(frames,)], from bands [shape=(frames, n_mels)]."""
    power = np.exp2(bands.astype(np.float32) * _LOG2_OF_10_OVER_10).sum(axis=1)
    return np.float32(10) * np.log10(power)


def onset(bands: np.ndarray, config: FeatureConfig) -> int:
    """The frame at which the features of a clip begin, see `Beginning`; 0 without an onset.

    Parameters
    ----------
    bands [shape=(frames, n_mels)]
        From `log_mel`.
    """
    return 0 if config.onset_db is None else find(bands, config).start


def find(bands: np.ndarray, config: FeatureConfig) -> Beginning:
    """The beginning of a clip's window, when it is full or the clip ends.

    Parameters
    ----------
    bands [shape=(frames, n_mels)]
        From `log_mel`.
    config
        With an onset.
    """
    beginning = Beginning(Levels(level_db(bands), config), 0, waits=True)
    for frame in range(len(bands)):
        if frame - beginning.start >= config.n_frames:
            break
        beginning.push(frame)
    return beginning


class Levels:
    """The levels of a sound, ready for `Beginning`.

    Parameters
    ----------
    levels [shape=(frames,)]
        float32, from `level_db`.
    config
        With an onset.
    """

    def __init__(self, levels: np.ndarray, config: FeatureConfig) -> None:
        self.config = config
        self.level = levels.tolist()  # a loop reads numbers of Python faster
        self.above = (levels + np.float32(config.onset_db)).tolist()  # rounded as on the board
        least = levels.copy()  # of a frame and those before it that share samples with it
        for back in range(1, config.shared_frames + 1):
            least[back:] = np.minimum(least[back:], levels[:-back])
        self.least = least.tolist()


class Beginning:
    """The beginning of one window, which moves on as louder frames come.

    It stays while it is at most onset_range_db below the loudest frame. When it is not, the first
    frame that is becomes the beginning: one of the last onset_history_frames, for a board keeps
    no more; if there was one before those, nothing moves. A frame that shares samples with one out
    of range does not count, for the edge of a silence may lie in it.

    A steady noise is no speech either. If onset_steady_frames or more from the beginning on are
    within onset_db of the quietest of them, the first run of onset_frames above that makes another
    beginning, preroll_frames before it.

    Parameters
    ----------
    levels
        Of the whole sound.
    first
        Frame at which the window opens.
    waits
        A window in which nothing has risen does not become full: it goes on from the last frames,
        so that silence may be of any length. (In live mode the gate waits for speech.)

    Attributes
    ----------
    start
        The beginning, a frame of the sound.
    risen
        Whether anything has risen since; otherwise it is steady noise or silence so far.
    """

    def __init__(self, levels: Levels, first: int, *, waits: bool) -> None:
        self._levels, self._config = levels, levels.config
        self._waits = waits
        self._loudest = self._limit = self._limit_above = _NONE
        self._begin(first, levels.level[first])  # nothing is known of what was before

    def push(self, frame: int) -> bool:
        """Take the next frame; True: the beginning moved."""
        level = self._levels.level
        if level[frame] > self._loudest:
            self._loudest = level[frame]
            limit = np.float32(self._loudest) - np.float32(self._config.onset_range_db)
            self._limit = float(limit)
            self._limit_above = float(limit + np.float32(self._config.onset_db))
        before = self.start
        if self._level < self._limit:
            self._search(frame)
        self._catch_up(frame)
        full = frame - self.start + 1 >= self._config.n_frames
        if self._waits and full and not self.risen:
            oldest = max(frame - self._config.onset_history_frames, self.start) + 1
            self._begin(oldest, self._levels.least[oldest])
            self._catch_up(frame)
        return self.start != before

    def _begin(self, start: int, level: float) -> None:
        self.start = self._next = start  # the next frame that `_follow` has to see
        self._level = level
        self._floor, self._highest = float("inf"), _NONE
        self._run = 0  # frames in a row that are over the floor
        self.risen = False

    def _search(self, frame: int) -> None:
        """Begin at the first frame in range, if it is one of the last."""
        least, limit = self._levels.least, self._limit
        oldest = max(frame - self._config.onset_history_frames, self.start) + 1
        if any(value >= limit for value in least[self.start + 1 : oldest]):
            return
        for at in range(oldest, frame + 1):
            if least[at] >= limit:
                self._begin(at, least[at])
                return

    def _catch_up(self, frame: int) -> None:
        while self._next <= frame and not self.risen:
            self._follow(self._next)
            self._next += 1

    def _follow(self, at: int) -> None:
        """Begin anew where a steady noise is over."""
        level, config = self._levels.level[at], self._config
        self._floor = min(self._floor, self._levels.above[at])
        above = max(self._floor, self._limit_above)
        if level <= above:
            self._run = 0
            self._highest = max(self._highest, level)
            return
        self._run += 1
        if self._run < config.onset_frames:
            return
        rise = at - self._run + 1
        if rise - self.start >= config.onset_steady_frames and self._highest <= above:
            self.start = rise - config.preroll_frames
            self._level = self._levels.least[self.start]
        self.risen = True
