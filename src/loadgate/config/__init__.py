"""What the user wrote: `loadgate.yml`, thresholds and load flags, read into frozen dataclasses.

Nothing is re-exported here: `loadgate run --url` needs flags and thresholds only, and must not pay for YAML.
"""
