"""Measurements that are too long for tests. Synthetic cohorts only: nothing here says how a model does on people."""
