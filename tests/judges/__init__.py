"""TensorFlow as judge: its own reader, writer and runtime, asked from another process.

    install.py   makes the two TensorFlow installations the tests know
    worker.py    runs inside one of them, answers one JSON line per request
    client.py    starts a worker and asks it, from the test's side
    exchange.py  the file in which the two hand each other arrays

Nothing here imports TensorFlow but the worker, and the worker imports nothing of tfartifacts:
what it answers is TensorFlow's opinion alone.
"""
