"""Run two sides in turn and compare them.

cases       what is measured: sides, and the limits they have to keep
spawner     the small process that starts, times and waits for each run
processes   one run of a side, through the spawner
turns       all sides of a case, pair by pair
results     what came out, as plain data, to JSON and back
figures     ratios, medians, spreads, verdicts
machine     where it was measured
"""
