"""Implementations of `core.ports`: models, stores, brokers, HTTP out. Foreign errors end here."""
