"""One protocol each: what is put on the wire for a step, and what came back."""
