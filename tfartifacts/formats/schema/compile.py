"""Makes tensorflow.desc from tensorflow.proto: `python -m tfartifacts.formats.schema.compile`.

    tensorflow.desc : serialized FileDescriptorSet; each file after those it imports

For developers; needs grpcio-tools for its protoc.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2

SCHEMA = Path(__file__).parent
PACKAGE_ROOT = SCHEMA.parents[2]  # so that imports in the .proto read tfartifacts/formats/schema/…


def compile_schema() -> bytes:
    """The bytes of tensorflow.desc, whichever version of protoc made them."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "tensorflow.desc"
        protoc = [
            *(sys.executable, "-m", "grpc_tools.protoc"),  # brings google/protobuf/any.proto
            f"--proto_path={PACKAGE_ROOT}",
            "--include_imports",
            f"--descriptor_set_out={output}",
            str(SCHEMA / "tensorflow.proto"),
        ]
        subprocess.run(protoc, check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    for file in files.file:
        # Package names for other languages: these change from one protobuf to the next.
        file.ClearField("options")
        for message in file.message_type:
            _clear_json_names(message)
    return files.SerializeToString(deterministic=True)


def _clear_json_names(message: descriptor_pb2.DescriptorProto) -> None:
    # protoc stores them though they follow from the field names: a fifth of the file.
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        _clear_json_names(nested)


if __name__ == "__main__":
    (SCHEMA / "tensorflow.desc").write_bytes(compile_schema())
