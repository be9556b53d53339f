"""Runs of the notebooks, and what is published of them."""
