"""Write the golden vectors into rdae_ref/verify/vectors, about a minute. Needs mpmath: the extra [test]."""

from golden_vectors.generate import write

write()
