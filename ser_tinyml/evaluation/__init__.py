"""How well it works: trials, folds, ablations, streams."""
