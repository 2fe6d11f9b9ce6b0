"""Writes what the embedder is to know of the default model without asking sentence-transformers: `python -m
bench.shipped`."""

from rag_api.backends.library import Library
from rag_api.backends.sentence_transformer import find_model, fingerprint
from rag_api.backends.shipped import ship
from rag_api.core.defaults import DEFAULT_MODEL


def main() -> None:
    folder = find_model(DEFAULT_MODEL)
    known = Library(folder, "float32").known()
    if known is None:
        raise SystemExit(f"our own forward pass knows nothing of {DEFAULT_MODEL}")
    print(f"wrote {ship(known, folder, fingerprint(folder))}")


if __name__ == "__main__":
    main()
