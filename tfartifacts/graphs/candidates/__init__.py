"""Which tensors of a graph a caller would feed and fetch, best guess first.

How it is found; each step is a module:

    machinery   savers, summaries, gradients, optimizer updates, assignments: set aside
    sources     placeholders, iterators, dequeued batches
    layers      weights are variables and what only reshapes them; in a frozen graph, float
                constants. A model op takes a weight and something computed from a source
    losses      what gradients were taken of, and what is computed from it
    roles       an input is a source from which a model op is reached; a label meets the loss or a
                metric without; a switch is a scalar such as keep_prob or is_training
    region      what is computed from inputs and no label, short of the loss; its tail is the part
                from which no further model op is reached. The candidates lie there: a softmax is
                often not an end, accuracy and loss consume it
    scores      by op, by what consumes a node and by name
    ranking     which of the best are proposed, which are alternatives
    signatures  overrule all this: their tensors come first

`search` takes these steps, each a few walks over the edges. What ops mean is in `ops`, what names
mean in `words`.
"""

from __future__ import annotations

from tfartifacts.graphs.candidates.candidate import Candidate, Candidates
from tfartifacts.graphs.candidates.flags import as_flags, proposed
from tfartifacts.model import Graph, MetaGraph, Saver

__all__ = ["Candidate", "Candidates", "as_flags", "candidates", "proposed"]


def candidates(source: MetaGraph | Graph, saver: Saver | None = None) -> Candidates:
    """Propose the inputs and outputs of a graph.

    `saver` helps to tell the saver's nodes apart in a bare graph; a meta graph brings its own.
    Nothing is refused: a graph without a plausible tensor gives empty tuples.
    """
    # Imported when asked for: a conversion whose inputs and outputs are given needs none of it.
    from tfartifacts.graphs.candidates.search import search
    from tfartifacts.graphs.candidates.signatures import trainable_variables, with_signatures

    if isinstance(source, Graph):
        return search(source, saver)
    found = search(source.graph, saver or source.saver, trainable_variables(source))
    return with_signatures(source, found)
