"""Data to measure with, made when it is first needed, the same on each machine.

    place          where it lies, made whole or not at all, and whether there is room
    encoding       protobuf messages by hand, written as they come
    bert           BERT-large: its variables, alone and with Adam's slots and a graph to convert
    bert_graph     that graph, built by TensorFlow
    bundles        checkpoints of many variables, shards, slices
    graphs         `.meta` files of many nodes, or of large constants
    saved_models   SavedModels of many nodes, signatures, functions

The small network with Adam is the one in `fixtures/digits`.
"""
