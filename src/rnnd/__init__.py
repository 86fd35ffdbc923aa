"""rnnd tails an application's logs and predicts its health before it fails."""

from importlib.metadata import version

__version__ = version("rnnd")
