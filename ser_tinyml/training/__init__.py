"""From rows to a trained, calibrated, converted net."""
