"""ZXO: the back end of a daily check-in app that helps people stop smoking."""

from importlib.metadata import version

__version__ = version("zxo")
