"""The figures that the paper does not have."""
