"""From the outside to facts of a record: readers of other systems' documents. Nothing here writes anywhere."""
