"""The trust bench: planted changes under disturbances, and what Loadgate and its rivals say of them."""
