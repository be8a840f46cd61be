"""Bytes <-> model: one module per format, reader and writer side by side, layout at the head.

wire              protobuf's encoding: fields, varints, splicing
schema/           protobuf text format, by our own .proto
table             sorted table of byte strings (`.index`, V1 checkpoints)
checksums snappy  what a table's blocks are protected and packed with
slices            names and extents of stored slices
tensor_data       elements of a tensor in a V2 data file
tensor_proto      elements of a tensor in a V1 checkpoint or a graph
tensor_bundle     V2 checkpoint: `.index` + `.data-SSSSS-of-NNNNN`
v1_checkpoint     V1 checkpoint
checkpoint_state  the `checkpoint` file
graph_def         nodes and functions
node_def attr_values op_defs  a node, what its attributes hold, signatures of ops
node_scan node_guess node_check encoded_nodes  a million nodes: found, checked, read when asked for
meta_graph        `.meta`: graph, signatures, saver, collections
saved_model       `saved_model.pb`
saved_object_graph  the signatures among the objects of a SavedModel of TensorFlow 2
sniff             what a file is, by its content
"""
