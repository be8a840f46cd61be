"""Coverage-guided fuzzing of the readers: `python -m tests.fuzz TARGET`.

    targets     the list: what is read, from which seeds, changed how
    tables, messages, tensors, texts : what each target does with its bytes, and what must hold
    inspecting  the same for what is told of a file
    mutation    changes that keep checksums and lengths right, so that they reach what lies behind
    seeds       what is changed at first: the fixtures, and small files of rare forms

Only a TfArtifactsError may come out of a reader. tests/test_fuzz.py runs the same functions on a
few thousand inputs, without a fuzzer.
"""
