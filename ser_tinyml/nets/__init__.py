"""The nets and the one door to TensorFlow."""
