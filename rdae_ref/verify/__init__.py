"""Is it right? The equation table, the independent oracles, golden vectors, and the comparison with your own code."""
