from ingest.documents import Block, Parsed, Source
from ingest.parsers.decoding import read_text


def parse(source: Source) -> Parsed:
    return Parsed(title="", blocks=(Block(read_text(source)),), verbatim=True)
