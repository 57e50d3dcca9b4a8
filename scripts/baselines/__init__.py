"""Who takes part in the benchmark: one file each, so that a process loads one framework and not all of them.

A contestant is a function that takes a case to another one without arguments, which is what is timed. What that one
returns can be made an array of, so that one contestant's answer can be held against another's.
"""
