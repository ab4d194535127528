"""`python -m zxo` is `zxo`."""

from zxo.cli import main

main()
