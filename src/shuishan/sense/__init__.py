"""Turns the world into signals: each collector is a command (or a call) and a pure parser of its answer.

This room judges nothing: what a number means is diagnose's question. It refuses one thing only: to
let a collector that could not look be mistaken for one that looked and saw nothing.
"""
