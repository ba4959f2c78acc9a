"""The feature vector of a patient on a day: one implementation for training, batch and the single request."""
