"""What `rag ingest` sends and how: folders, sitemaps, standard input; sending, watching, forecasting."""
