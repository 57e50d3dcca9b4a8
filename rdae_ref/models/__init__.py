"""The auto-encoders that the paper compares with, and the two neighbours: the same `value_and_gradient`."""
