"""Training of the planted model."""
