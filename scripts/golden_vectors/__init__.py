"""Makes the golden vectors of rdae_ref.verify.vectors: points, closed forms, and what is computed at fifty digits."""
