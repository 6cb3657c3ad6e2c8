"""What a person sees of a run: `model` decides and orders, renderers turn that into text.

`terminal` is the summary at the end; `live` the view while a run goes on, which `screen` draws in place or logs line by line.
"""
