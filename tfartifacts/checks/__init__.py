"""What is wrong with an artifact, and what it could do: all of it, not the first.

findings         a finding, its severity, and how an error becomes one
faults           faults of one kind, told together
verify           an artifact whole, part by part:
  checkpoints    every block, every tensor: tables, indexes, reading, data_files, bundles,
                 v1_checkpoints, checkpoint_paths
  graphs         a graph on its own: graph_body, graph_cycles, graph_functions, graph_nodes,
                 op_signatures
  fit            a graph held against a checkpoint
  signatures     signatures and init op; unfilled_state: what neither saver nor init op fills
  saved_models   a SavedModel whole: assets, saved_objects, fingerprints
  states         a `checkpoint` state file against the checkpoints there are
  manifests      files against the sizes and sums of a manifest
  serving        what TensorFlow Serving needs besides
salvage          what is intact of a damaged checkpoint
state_repair     what a state file should say

Nothing here raises for what a file holds: a fault is a finding, and the next thing is looked at.
"""
