"""The command line: ``python -m bpnet train|predict|evaluate|info``. One file per command."""
