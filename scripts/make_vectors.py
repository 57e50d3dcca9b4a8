"""Write the golden vectors into rdae_ref/vectors, about a minute. Needs mpmath: the extra [test]."""

from rdae_ref.vectors.generate import write

write()
