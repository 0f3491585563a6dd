"""Files to blocks and back: what a file is, its samples in order, and an output that is whole or is not there."""
