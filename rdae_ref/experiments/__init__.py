"""One file per figure: run -> result, draw -> Figure, claims -> table."""
