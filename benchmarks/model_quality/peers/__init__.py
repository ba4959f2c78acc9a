"""Recipes of others, each in a file of its own, learned and judged on the rows of our own model."""
