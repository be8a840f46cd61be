"""Variables to and from the formats of other libraries, streamed, whole or not at all.

exporting, importing    the two ways; selecting, renaming, bert: which variables, what names
safetensors             one file; safetensors_shards: several and their index
npz, npy_folder         arrays as NumPy writes them; npy, zip_members: the files they are
holding                 which types hold the values of TensorFlow's, and their bytes
file_values, string_values, transposed    values in such files, read when asked for
output_files, publishing                  what is written, and how it appears
"""

from __future__ import annotations

from tfartifacts.exchange.exporting import Exported as Exported
from tfartifacts.exchange.exporting import export as export
from tfartifacts.exchange.importing import import_checkpoint as import_checkpoint
