"""Work that is timed inside the process that does it: one program for each way to do it.

Each is run as a file, prints one JSON object, and counts no imports: it does the same work on the
small fixture first, where things are imported late, and then once on what it was given. The
programs of TensorFlow and of tensorflow-checkpoint-reader run with their Pythons, 3.7 and later.
"""
