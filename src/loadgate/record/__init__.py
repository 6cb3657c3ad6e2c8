"""What is left of a run: one versioned file with everything in it, and the flat summary made from it.

`run` is the record and `verdict` what was decided about it; `codec`, `tallies` and `file` write and read them; `environment`
and `cores` say on what machine it was, `digest` what exactly was measured; `redact` keeps secrets out.
"""
