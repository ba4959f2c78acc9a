"""Whether the service and what it depends on are well: one list of checks, from which every answer about it comes."""
