"""Many files: which input becomes which output, how one file is done, and what came of it."""
