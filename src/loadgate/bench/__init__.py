"""Benchmarks of a user's own: functions in fresh processes, and commands.

(The folder is not called as the decorator is: a package `loadgate.benchmark` would take the place of `loadgate.benchmark`.)
"""
