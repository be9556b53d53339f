"""Folds for clips that the committed manifest does not know."""

from __future__ import annotations

import pandas as pd
import pytest

from ser_tinyml.data import folds


def deal(monkeypatch: pytest.MonkeyPatch, clips: pd.DataFrame) -> None:
    """Let the manifest be one that knows these clips."""
    dealt = folds.deal(clips)
    monkeypatch.setattr(folds, "read", lambda: dealt)
