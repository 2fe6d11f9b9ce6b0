"""Pure: nouns, ports, ranking, packing, citing. No I/O, no clock, no randomness of its own."""
