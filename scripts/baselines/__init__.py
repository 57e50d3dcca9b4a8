"""The functions that the benchmark times, one file for each framework, so that a process loads only one of them.

Each takes a case and returns a function without arguments, which is timed. Its result can be converted to an array, so
that the results of two of them can be compared.
"""
