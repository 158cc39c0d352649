"""act: carries a plan out, durably, and undoes what was begun when a step fails.

It decides nothing: a plan says what, this room only does, journals, and undoes.
"""
