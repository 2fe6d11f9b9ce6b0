"""One file a command. Each talks to the server that owns the home, or starts the same service for its own time."""
