"""From numbers to a word: thresholds against what was measured, and the verdict on the run.

Pure: what was measured comes in as windows and tallies, what was decided goes out as `record.verdict` has it.
"""
