"""The command line: translates arguments and prints answers; no rule of the domain lives here."""
