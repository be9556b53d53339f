"""What systems are made of: their features and nets, and how a Keras net is fitted."""
