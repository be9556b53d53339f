"""Corpora, the table of clips, labels, folds and splits."""
