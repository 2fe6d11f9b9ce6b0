"""`python -m ingest PATH…` is `rag ingest PATH…`: a package has a layer, a process has a main."""

import sys

from rag_api.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "ingest")
    main()
