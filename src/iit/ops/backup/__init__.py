"""Making, listing, verifying and pruning backups."""
