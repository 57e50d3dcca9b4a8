"""Reference implementation of the rate-distortion auto-encoder."""

from ._version import __version__

__all__ = ["__version__"]
