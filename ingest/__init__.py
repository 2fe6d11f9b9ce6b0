"""The write path: how bytes become text, chunks and a published version. Knows no HTTP, no SQL, no Chroma."""
