"""Tables for analysts: a row a clip, with what is known of it, how it sounds and what is answered.

`make` writes them; `columns` says what is in them. `effects` and `pictures` are for notebook 10.
"""
