"""The site of the docs: what it is made of, and how. `make docs` makes it."""
