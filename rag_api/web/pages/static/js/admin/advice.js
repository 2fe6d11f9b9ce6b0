// What a person can do about each reason why something was not taken in.

const ADVICE = {
  encrypted_document: "Save a copy without a password and upload that.",
  no_text_layer:
    "Its pages are pictures. Upload a copy with text, or have the server started with RAG_INGEST__OCR=true and ingest it again.",
  broken_document: "Open it in its own program, save it anew and upload that. Check that its ending says what it is.",
  empty_document: "There is nothing to find in it. Check that it is the right file.",
  unsupported_file: "Convert it to PDF, DOCX, HTML, Markdown or plain text and upload that.",
  document_too_large: "Split it into smaller files and upload those.",
  upload_too_large: "Split it into smaller files, or have RAG_UPLOADS__MAX_BYTES raised on the server.",
  parser_timed_out: "Split it or save it more simply; or have RAG_INGEST__PARSE_S raised and try again.",
  parser_crashed: "Save it anew in its own program and upload that; or have RAG_INGEST__PARSE_MEMORY_BYTES raised.",
  embedder_failed: "Nothing is wrong with the file. When the server is well again (see Server), try again.",
  embedder_unavailable: "Nothing is wrong with the file. When the server is well again (see Server), try again.",
  storage_full: "Make room on the server's disk, then try again. A purge (see Server) gives back what was deleted.",
  superseded: "Nothing to do: a newer version of the same document came in, or it was deleted.",
  cancelled: "It was stopped on request. Try again if that was a mistake.",
  server_unreachable: "Check that the server runs, then try again.",
  source_taken: "Give it another name: a document of this name is there that this key may not see.",
  unauthenticated: "Reload the page and give a key of this server.",
  forbidden: "Ask an admin of this server for a key that may do this.",
};

export function adviceFor(code) {
  return ADVICE[code] ?? "If trying again does not help, the server's log says more.";
}
