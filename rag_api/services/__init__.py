"""One class a use case. Services see ports and the catalogue, never backends, settings or a framework."""
