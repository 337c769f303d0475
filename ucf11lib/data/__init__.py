"""A source of clips -> a clip store -> a split -> batches."""
