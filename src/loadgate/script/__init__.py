"""What a virtual user does.

A `Script` (`scenario`) comes from a Python file (`loader`), from a project or a URL (`source`). In a run it becomes a
`Performance`, whose `Role`s make users and run their iterations.
"""
