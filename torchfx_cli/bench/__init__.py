"""The matrix cuda | cpu | native | scipy: suites of cells, honest timing, the error beside each time.

    suites, loads       what is computed, and on what
    backends            what computes it; torch_backend, api_variants: the modules
    timings             the one place that repeats and times
    measure, accuracy   one cell, timed; and what came out, held against float64 SciPy
    end_to_end          cells that are whole programs: other_tools has the table of them
    matrix              all cells of a run, within a budget
    records             what is known afterwards; columns, stored, tables, plot, compare: as files and for people
    advise, calibrate   what follows from measurements; candidates, fit, fir_for_iir, profile
"""
