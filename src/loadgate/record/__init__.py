"""What is left of a run: one versioned file with everything in it, and the flat summary made from it.

`run` is the record and `verdict` what was decided about it; `codec` and `file` write and read them; `environment` says on
what machine it was.
"""
