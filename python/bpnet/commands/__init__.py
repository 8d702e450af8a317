"""The command line: ``python -m bpnet train|predict|evaluate|info|alexnet``. One file per command."""
