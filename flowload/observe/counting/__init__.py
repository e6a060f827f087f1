"""What is counted while a run goes on: samples and calls of an operator, how long things took, who waited.

Written by the tasks of a run, along the way of its blocks, so each costs well below a microsecond; read by
its snapshots.
"""
