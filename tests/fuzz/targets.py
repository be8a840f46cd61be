"""The targets: which reader, from which seeds, changed how."""

from __future__ import annotations

from tests.fuzz import inspecting, messages, seeds, tables, tensors, texts
from tests.fuzz.mutation import change_message, table_changes
from tests.fuzz.target import Target, unchanging

ALL = (
    Target("table", tables.examine_table, seeds.tables, table_changes(unchanging)),
    Target("block", tables.examine_block, seeds.blocks, unchanging, 1024),
    Target("snappy", tables.examine_snappy, seeds.packed, unchanging, 512),
    Target("bundle", tables.examine_bundle, seeds.bundles, table_changes(change_message)),
    Target("header", tables.examine_header, seeds.headers, change_message, 256),
    Target("slices", tables.examine_slices, seeds.sliced, change_message, 512),
    Target("v1", tables.examine_v1_checkpoint, seeds.v1_checkpoints, table_changes(change_message)),
    Target("wire", messages.examine_wire, seeds.wire_messages, change_message, 1024),
    Target("graph", messages.examine_graph, seeds.graphs, change_message, 768),
    Target("meta_graph", messages.examine_meta_graph, seeds.meta_graphs, change_message, 768),
    Target("saved_model", messages.examine_saved_model, seeds.saved_models, change_message, 768),
    Target("object_graph", messages.examine_object_graph, seeds.object_graphs, change_message),
    Target(
        "tensor_proto", messages.examine_tensor_proto, seeds.tensor_protos, change_message, 1024
    ),
    Target("tensor_data", tensors.examine_tensor_data, seeds.elements, unchanging, 512),
    Target("inspect", inspecting.examine_inspected, seeds.meta_graphs, change_message, 768),
    Target("content", messages.examine_content, seeds.contents, change_message, 768),
    Target("state", texts.examine_state, seeds.states, unchanging, 1024),
    Target("text", texts.examine_text, seeds.texts, unchanging, 1024),
)
TARGETS = {target.name: target for target in ALL}
