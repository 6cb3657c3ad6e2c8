"""Paired A/B: two builds started afresh again and again, loaded side by side, and judged by pairs of starts."""
