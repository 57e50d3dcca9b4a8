"""The theory under the auto-encoders: R(D), reverse water-filling, Blahut-Arimoto, the stochastic manifold."""
