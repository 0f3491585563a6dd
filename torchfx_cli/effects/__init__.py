"""What a chain may hold, a file a kind: what may be written, its design, what runs it, its doc and example."""
