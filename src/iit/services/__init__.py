"""What the product does: one use case, one function, one transaction."""
