"""What is wrong with an artifact, and what it could do: all of it, not the first.

findings       a finding, its severity, and how an error becomes one
manifests      files against the sizes and sums of a manifest
states         a `checkpoint` state file against the checkpoints there are
state_repair   what it should say
faults         faults of one kind, told together
graphs         a graph on its own; graph_body, graph_cycles, graph_functions, graph_nodes
op_signatures  what ops take and give, as far as the file tells
fit            a graph held against a checkpoint
signatures     signatures, init op; state: what neither saver nor init op gives a value
saved_models   a SavedModel whole; assets, saved_objects, fingerprints: what lies in it
serving        what TensorFlow Serving needs besides

Nothing here raises for what a file holds: a fault is a finding, and the next thing is looked at.
"""
