"""Chains to and from other programs: what they wrote becomes a chain file, and a chain their words."""
