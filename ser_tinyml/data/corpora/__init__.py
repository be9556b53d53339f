"""The four corpora: the only place that knows their names, labels and quirks."""

from __future__ import annotations

from pathlib import PurePath

from ser_tinyml.data.corpora import crema_d, ravdess, savee, tess
from ser_tinyml.data.corpora.corpus import EMOTIONS, ClipName, Corpus, Refusal

CORPORA: tuple[Corpus, ...] = (ravdess.CORPUS, tess.CORPUS, savee.CORPUS, crema_d.CORPUS)
BY_NAME = {corpus.name: corpus for corpus in CORPORA}

__all__ = ["BY_NAME", "CORPORA", "EMOTIONS", "ClipName", "Corpus", "Refusal", "identify"]


def identify(path: str | PurePath) -> tuple[Corpus, ClipName | Refusal] | None:
    """Say which corpus a file belongs to and which clip it is.

    Parameters
    ----------
    path
        Relative to the recordings folder; the folders above the file may contradict its name.

    Returns
    -------
    The corpus, with the clip or the reason why it is left out; None if no corpus has such names.
    """
    path = PurePath(path)
    for corpus in CORPORA:
        name = corpus.parse(path)
        if name is not None:
            return corpus, name
    return None
