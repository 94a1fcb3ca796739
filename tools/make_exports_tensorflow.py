"""Write the small models of ``tests/exports`` that come from TensorFlow, by tf2onnx.

Made with Python 3.11, in an environment of their own:

    pip install tensorflow-cpu==2.21.0 tf2onnx==1.17.0 onnx==1.23.2
    python tools/make_exports_tensorflow.py

The files are kept in the repository: the tests need no TensorFlow. The seeds are fixed.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import tensorflow as tf
import tf2onnx

_FOLDER = Path(__file__).resolve().parents[1] / "tests" / "exports"
_OPSET = 18


def mlp() -> tf.keras.Model:
    layers = tf.keras.layers
    inputs = tf.keras.Input((20,), name="input")
    hidden = layers.Dense(32, activation="relu")(inputs)
    hidden = layers.BatchNormalization()(hidden)
    return tf.keras.Model(inputs, layers.Dense(4, activation="softmax")(layers.Dense(24, activation="relu")(hidden)))


def cnn() -> tf.keras.Model:
    """Channels last: the exporter transposes to channels first and back."""
    layers = tf.keras.layers
    inputs = tf.keras.Input((16, 16, 3), name="input")
    hidden = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    hidden = layers.ReLU()(layers.BatchNormalization()(hidden))
    hidden = layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu")(hidden)
    hidden = layers.Conv2D(16, 1, activation="relu")(hidden)
    return tf.keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(hidden)))


def flattened_cnn() -> tf.keras.Model:
    """Its classifier sees every position, channels last."""
    layers = tf.keras.layers
    inputs = tf.keras.Input((8, 8, 1), name="input")
    hidden = layers.MaxPooling2D()(layers.Conv2D(8, 3, padding="same", activation="relu")(inputs))
    return tf.keras.Model(inputs, layers.Dense(5)(layers.Flatten()(hidden)))


def save(network: tf.keras.Model, name: str) -> None:
    shape = (None, *network.inputs[0].shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="input")])
    def forward(x: tf.Tensor) -> tf.Tensor:
        return network(x, training=False)

    model, _ = tf2onnx.convert.from_function(forward, input_signature=forward.input_signature, opset=_OPSET)
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model)
    (_FOLDER / f"tensorflow_{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    for name, build in (("mlp", mlp), ("cnn", cnn), ("flattened_cnn", flattened_cnn)):
        tf.keras.utils.set_random_seed(0)
        save(build(), name)


if __name__ == "__main__":
    main()
