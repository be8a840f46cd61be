"""Train, save checkpoints, convert the latest to a SavedModel, load that and predict.

    python examples/checkpoints.py [--mnist FOLDER] [--out DIR] [--steps N]

Needs `pip install tfartifacts[examples]`. Exits with 1 if the SavedModel predicts anything else
than the checkpoint.
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

NUM_CHECKPOINTS = 4


def train(data: digits.Digits, num_steps: int) -> story.Measured:
    """Train, and save four times with a Saver that keeps three; the trained model's predictions."""
    with tf.Graph().as_default(), tf.Session() as session:
        train_op, global_step = classifier.build()
        saver = tf.train.Saver(max_to_keep=3)
        session.run(tf.global_variables_initializer())
        every = max(1, num_steps // NUM_CHECKPOINTS)
        for step, feeds in enumerate(classifier.batches(data, num_steps), start=1):
            accuracy = classifier.train_batch(session, train_op, feeds)
            if step % every == 0 or step == num_steps:
                print(f"step {step}: accuracy {accuracy:.2f} of the batch")
                saver.save(session, "checkpoints/my_model", global_step)
        return story.measure(classifier.predict_by_name(session), data)


def reload_checkpoint(data: digits.Digits) -> story.Measured:
    """Predict the old way: the latest checkpoint's meta graph, its values, names of tensors."""
    with tf.Graph().as_default(), tf.Session() as session:
        prefix = tf.train.latest_checkpoint("checkpoints")
        tf.train.import_meta_graph(f"{prefix}.meta").restore(session, prefix)
        return story.measure(classifier.predict_by_name(session), data)


def load_saved_model(data: digits.Digits) -> story.Measured:
    """Predict with the SavedModel: found by its tag, used by its signature's keys."""
    with tf.Graph().as_default(), tf.Session() as session:
        meta_graph = tf.saved_model.load(session, ["serve"], "export")
        signature = meta_graph.signature_def["serving_default"]
        image = signature.inputs["image"].name
        prediction = signature.outputs["prediction"].name
        print(f"image is {image}, prediction is {prediction}")
        return story.measure(
            lambda images: classifier.in_batches(
                images, lambda batch: session.run(prediction, {image: batch})
            ),
            data,
        )


def main() -> None:
    """Tell the story."""
    options = story.options("Checkpoints to a SavedModel, end to end.")
    data = digits.load(options.mnist)
    story.headline(f"train for {options.num_steps} steps, save checkpoints")
    trained = train(data, options.num_steps)
    story.show_files("checkpoints")
    story.headline("inspect them")
    story.tfartifacts(options.python, ["inspect", "checkpoints/"])
    story.headline("reload the latest the old way")
    before = reload_checkpoint(data)
    story.require_equal(trained, before)
    story.headline("convert it to a SavedModel, without TensorFlow")
    inputs, outputs = "image=myInput:0", "prediction=myPrediction:0"
    story.tfartifacts(
        options.python,
        ["convert", "checkpoints/", "export/", "--inputs", inputs, "--outputs", outputs],
    )
    story.tfartifacts(options.python, ["inspect", "export/"])
    story.headline("load that by tag and signature, predict")
    after = load_saved_model(data)
    story.show_ten(after, data)
    story.require_equal(before, after)


if __name__ == "__main__":
    main()
