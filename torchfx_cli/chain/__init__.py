"""YAML -> ChainSpec: what a chain file says, checked as far as it can be without a sample rate."""
