"""One voice: what enrolling a person, or adapting the net to one, is worth."""
