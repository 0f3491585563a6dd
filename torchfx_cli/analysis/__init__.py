"""Looks at chains and files, and changes none: responses, spectra, differences, and pictures of them."""
