"""The matrix cuda | cpu | native | scipy: suites of cells, honest timing, the error beside each time.

    suites, loads       what is computed, and on what
    backend(s)          what computes it; torch_backend, ways: the modules
    measure, accuracy   one cell, timed; and what came out, held against float64 SciPy
    matrix              all cells of a run, within a budget; wholes: those that are whole programs
    records             what is known afterwards; stored, tables, plot, compare: as files and for people
    advise, calibrate, fir_for_iir, profile     what follows from measurements
"""
