"""Which channel of a recording to listen to, where they are not all the same.

The mean of channels is no channel: one that is inverted cancels the other, and one that is late
makes a comb of it.
"""

from __future__ import annotations

import numpy as np

_FRAME_S = 0.032
_QUIET, _LOUD = 10, 95  # percentiles of the power of frames


class Chooser:
    """Listens to all channels of a recording, block by block, and says which is the clearest.

    Parameters
    ----------
    channels
        How many there are.
    rate
        In Hz.
    """

    def __init__(self, channels: int, *, rate: int) -> None:
        self._length = max(1, round(_FRAME_S * rate))
        self._rest = np.empty((0, channels), np.float32)
        self._powers: list[np.ndarray] = []
        self._identical = True

    def take(self, block: np.ndarray) -> None:
        """Listen to the next samples [shape=(n, channels)]."""
        self._identical = self._identical and bool((block == block[:, :1]).all())
        block = np.concatenate([self._rest, block])
        whole = len(block) // self._length * self._length
        self._rest = block[whole:].copy()
        if whole:
            self._measure(block[:whole].reshape(-1, self._length, block.shape[1]))

    def _measure(self, frames: np.ndarray) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # values that are no numbers come too
            self._powers.append(frames.var(axis=1, dtype=np.float64))

    def choose(self) -> int | None:
        """The clearest channel, from 1 on; None: all are the same.

        It is the one whose loud moments stand out most over its quiet ones: the difference of two
        percentiles of the power of 32 ms frames, without what is constant in them. Of several that
        are as clear it is the first. Where nothing changes, the power itself decides.
        """
        if self._identical:
            return None
        if not self._powers:
            self._measure(self._rest[np.newaxis])
        powers = np.nan_to_num(np.concatenate(self._powers))
        quiet, loud = np.percentile(powers, (_QUIET, _LOUD), axis=0)
        clear = loud - quiet
        return 1 + int(np.argmax(clear if clear.any() else powers.mean(axis=0)))
