"""The service: implements the ports of `ingest`, retrieves, answers, serves."""

__version__ = "0.1.0"
