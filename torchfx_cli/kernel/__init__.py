"""The loops over samples: one interface (`base`), a C kernel (`native`), a twin in NumPy and SciPy (`twin`).

`load.load()` hands out the best that runs here. The C sources lie beside this file, kernel.c shows the way in.
"""
