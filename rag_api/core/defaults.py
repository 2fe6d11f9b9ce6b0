"""What settings say unless told otherwise and the core knows as well."""

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_THRESHOLD = 0.29  # of the gate
