"""Runs and results kept from one day to the next: what history shows, what a comparison starts from.

`store` is the whole of it for callers, `selection` and `baseline` are what it takes and gives, `history` the figures of many
runs at once. `transfer` carries a store in a plain file, `baseline_file` one baseline in a repository, both in the words of
`forms`. Beneath are `schema`, the tables; `packed`, a run's figures as bytes; `database`, the seam to `sqlite` and `postgres`.
"""
