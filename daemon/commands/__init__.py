"""The commands of `rnnd`, one module each, with `add_arguments` and `run`."""
