"""The equations of `rdae_ref.paper` for every order, size and spectrum; arguments are trusted, not checked."""
