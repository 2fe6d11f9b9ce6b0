"""The catalogue: the truth of the system, and the only SQL in it."""
