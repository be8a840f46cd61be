"""Names and ops of a `.meta` file's nodes: `python ours_nodes.py META COUNT`."""

import sys

# The protobuf library checks the nodes of large graphs: no import is timed, here as there.
from google.protobuf import descriptor_pool, message_factory, unknown_fields  # noqa: F401
from timing import SMALL_META, expect, timed

import tfartifacts as tfa


def work(path):
    return list(tfa.open(path).graph.names_and_ops())


work(SMALL_META)
nodes = timed(work, sys.argv[1])
expect(len(nodes), int(sys.argv[2]))
