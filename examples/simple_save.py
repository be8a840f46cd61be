"""Train, simple_save, convert the SavedModel to a checkpoint, restore that and predict.

    python examples/simple_save.py [--mnist FOLDER] [--out DIR] [--steps N]

Needs `pip install tfartifacts[examples]`. Exits with 1 if the checkpoint predicts anything else
than the SavedModel.
"""

# ruff: noqa: T201 - examples talk to the person who runs them.
# TensorFlow has no types that mypy finds.
# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

# First, for it keeps TensorFlow's log quiet.
import story  # isort: skip

import classifier
import digits
import tensorflow.compat.v1 as tf


def train(data: digits.Digits, num_steps: int) -> story.Measured:
    """Train and simple_save; the trained model's predictions."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        train_op, _ = classifier.build()
        session.run(tf.global_variables_initializer())
        for feeds in classifier.batches(data, num_steps):
            classifier.train_batch(session, train_op, feeds)
        tf.saved_model.simple_save(
            session,
            "export",
            inputs={"image": graph.get_tensor_by_name("myInput:0")},
            outputs={"prediction": graph.get_tensor_by_name("myPrediction:0")},
        )
        return story.measure(classifier.predict_by_name(session), data)


def restore_checkpoint(data: digits.Digits) -> story.Measured:
    """Predict with the checkpoint: the latest one's meta graph, its values, names of tensors."""
    with tf.Graph().as_default(), tf.Session() as session:
        prefix = tf.train.latest_checkpoint("restored")
        print(f"the latest checkpoint is {prefix}")
        tf.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
        return story.measure(classifier.predict_by_name(session), data)


def main() -> None:
    """Tell the story."""
    options = story.options("A SavedModel to a checkpoint, end to end.")
    data = digits.load(options.mnist)
    story.headline(f"train for {options.num_steps} steps, simple_save")
    before = train(data, options.num_steps)
    story.show_files("export")
    story.headline("inspect the SavedModel")
    story.tfartifacts(options.python, ["inspect", "export/"])
    story.headline("convert it to a checkpoint, without TensorFlow")
    story.tfartifacts(options.python, ["convert", "export/", "restored/my_model-4"])
    story.show_files("restored")
    story.headline("restore that, predict")
    after = restore_checkpoint(data)
    story.show_ten(after, data)
    story.require_equal(before, after)


if __name__ == "__main__":
    main()
