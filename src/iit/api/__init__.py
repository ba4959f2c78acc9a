"""The HTTP door: translates requests and answers; no rule of the domain lives here."""
