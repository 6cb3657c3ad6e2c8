"""One module per command: it reads arguments, calls the parts, prints, and turns a verdict into an exit code."""
