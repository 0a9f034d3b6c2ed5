"""The two networks, as backend-neutral Keras 3 functional models.

Input of both: float32 (N, H, W, 3), channels last, intensities 0..1 as `inference.preprocess` makes them; H and W multiples of 32.
Whatever a trunk expects beyond 0..1 is a layer inside the network, so that every engine is fed the same array.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

IMAGENET_MEAN_RGB = (123.68, 116.779, 103.939)
"""Channel means (0..255) that Keras' ImageNet weights of ResNet50 were trained with."""

AUXILIARY_STAGES = ("conv3_block4_out", "conv4_block6_out", "conv5_block3_out")
RESUNET = "resunet"
RESUNET_WIDTHS = (16, 32, 64, 128, 256)


def resnet50_classifier(input_shape: tuple[int, int, int] = (256, 256, 3), *, auxiliary: bool = False) -> keras.Model:
    """ResNet50 with the small dense head: does this slice show a tumour?

    Returns a model with the outputs `probability` (N, 2) softmax (0: no tumour, 1: tumour) and, with `auxiliary`, also `mask`
    (N, H/8, W/8, 1) sigmoid from a light decoder on stages 3 to 5: it exists for training only, where mask supervision teaches the trunk
    far more than labels do. Weights are the same whatever H and W, so training may start on small pictures.
    """
    height, width, _ = input_shape
    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(255.0, offset=[-mean for mean in IMAGENET_MEAN_RGB], name="imagenet_range")(image)
    trunk = keras.applications.ResNet50(include_top=False, weights=None, input_tensor=x)
    x = layers.AveragePooling2D((height // 32, width // 32), name="average_pool")(trunk.output)
    x = layers.Flatten(name="features")(x)
    for number in (1, 2):
        x = layers.Dense(256, activation="relu", name=f"dense_{number}")(x)
        x = layers.Dropout(0.3, name=f"dropout_{number}")(x)
    outputs = {"probability": layers.Dense(2, activation="softmax", dtype="float32", name="probability")(x)}
    if auxiliary:
        outputs["mask"] = _auxiliary_decoder([trunk.get_layer(name).output for name in AUXILIARY_STAGES])
    return keras.Model(image, outputs, name="resnet50_classifier")


def _auxiliary_decoder(stages: list) -> object:
    """Sum of the three stages, each brought to 64 channels and 1/8 of the input's size; one convolution; one probability a pixel."""
    summed = []
    for number, stage in enumerate(stages, start=3):
        x = layers.Conv2D(64, 1, name=f"auxiliary_lateral_{number}")(stage)
        if number > 3:
            x = layers.UpSampling2D(2 ** (number - 3), interpolation="bilinear", name=f"auxiliary_up_{number}")(x)
        summed.append(x)
    x = layers.Add(name="auxiliary_sum")(summed)
    x = layers.Conv2D(64, 3, padding="same", use_bias=False, name="auxiliary_conv")(x)
    x = layers.BatchNormalization(name="auxiliary_bn")(x)
    x = layers.ReLU(name="auxiliary_relu")(x)
    return layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="mask")(x)


def resunet(input_shape: tuple[int, int, int] = (256, 256, 3)) -> keras.Model:
    """ResUNet of the original notebook, 1.21 M parameters: which pixels?

    Returns a model with the output `probability` (N, H, W, 1) sigmoid, as large as the input.
    """
    image = keras.Input(input_shape, name="image")
    x = image
    for number in (1, 2):
        x = layers.Conv2D(RESUNET_WIDTHS[0], 3, padding="same", kernel_initializer="he_normal", name=f"stage1_{number}_conv")(x)
        x = layers.BatchNormalization(name=f"stage1_{number}_bn")(x)
        x = layers.ReLU(name=f"stage1_{number}_relu")(x)
    skips = [x]
    for stage, width in enumerate(RESUNET_WIDTHS[1:], start=2):
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
        x = _res_block(x, width, "bottleneck" if width == RESUNET_WIDTHS[-1] else f"stage{stage}")
        skips.append(x)
    skips.pop()  # the bottleneck is the start of the way up, not a skip
    for stage in range(4, 0, -1):
        x = layers.UpSampling2D(name=f"up{stage}_up")(x)
        x = layers.Concatenate(name=f"up{stage}_skip")([x, skips[stage - 1]])
        x = _res_block(x, RESUNET_WIDTHS[stage - 1], f"up{stage}")
    outputs = {"probability": layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="probability")(x)}
    return keras.Model(image, outputs, name=RESUNET)


def _res_block(x: object, width: int, name: str) -> object:
    """conv 1x1, BN, ReLU, conv 3x3, BN; short path conv 1x1, BN; add, ReLU."""
    long = layers.Conv2D(width, 1, kernel_initializer="he_normal", name=f"{name}_1_conv")(x)
    long = layers.BatchNormalization(name=f"{name}_1_bn")(long)
    long = layers.ReLU(name=f"{name}_1_relu")(long)
    long = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal", name=f"{name}_2_conv")(long)
    long = layers.BatchNormalization(name=f"{name}_2_bn")(long)
    short = layers.Conv2D(width, 1, kernel_initializer="he_normal", name=f"{name}_short_conv")(x)
    short = layers.BatchNormalization(name=f"{name}_short_bn")(short)
    x = layers.Add(name=f"{name}_add")([long, short])
    return layers.ReLU(name=f"{name}_out")(x)


def load_imagenet(model: keras.Model, weights: Path) -> None:
    """Gives the trunk of `resnet50_classifier` Keras' ImageNet weights from a `.weights.h5` file of `ResNet50(include_top=False)`.

    Those weights expect BGR; the network here takes RGB, so the first kernel is turned round once instead of every image.
    """
    source = keras.applications.ResNet50(include_top=False, weights=None)
    source.load_weights(weights)
    for layer in source.layers:
        values = layer.get_weights()
        if layer.name == "conv1_conv":
            values[0] = values[0][:, :, ::-1, :]
        if values:
            model.get_layer(layer.name).set_weights(values)
