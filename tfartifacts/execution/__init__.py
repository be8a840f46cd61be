"""Running what an artifact computes, with TensorFlow: the only package that imports it.

tensorflow  TensorFlow itself, its log noise kept away
feeds       values for inputs, as they are typed
  arrays json_values pictures   what is in files, read without trusting it
  fitting                       cast to the input's type, or refused
requests    what is fed and fetched; what is missing, said before TensorFlow is started
loading     an artifact in a session
  restoring                     its variables, from other keys if need be
  interrupting                  Ctrl-C while TensorFlow runs
running     inputs -> outputs
comparing   the outputs of two artifacts on one feed, bit for bit
  planning                      which signatures, what is fed; refuses what cannot be compared
  sources                       a source, loaded as a conversion takes it
  generating examples           values made up for a signature
  differences                   how two arrays differ
"""
