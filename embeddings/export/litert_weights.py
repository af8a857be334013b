"""Puts other numbers into a LiteRT file whose weights were rounded to int8 while its activations stayed float32."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from embeddings.export.weight_rounding import RoundedWeights

_FILE_IDENTIFIER: Final = b"TFL3"
# Half a step and the last bits of float32.
_LARGEST_ROUNDING: Final = 0.51


class UnknownWeights(ValueError):
    """The file has int8 weights that were rounded from none of the layers."""


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """A convolution's or fully connected layer's weights, and what takes their place.

    Args:
        name: The layer's.
        rows: (out, n) float32 as the network has them; a row's weights in the order height, width, input channel.
        rounded: What the file is to have; None leaves the layer in float32.
    """

    name: str
    rows: NDArray[np.float32]
    rounded: RoundedWeights | None


def replace_weights(content: bytes, layers: Sequence[LayerWeights]) -> bytes:
    """The file with the layers' weights in place of those that the converter rounded.

    Layers are found by their weights, because the converter renames and merges what it converts. Weights that it left
    in float32, which it does where there are few, stay as they are.

    Raises:
        UnknownWeights: the file has int8 weights of none of the layers, or a step for several channels.
    """
    # Here and not at the top, because only those who convert need it.
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    for graph in model.subgraphs:
        linear = [operator for operator in graph.operators if _has_int8_weights(schema, model, graph, operator)]
        # All are found before any is replaced, because layers that share their weights may share a tensor, too.
        found = [_layer_of(graph.tensors[operator.inputs[1]], model, layers) for operator in linear]
        for operator, layer in zip(linear, found, strict=True):
            weights = graph.tensors[operator.inputs[1]]
            if layer.rounded is None:
                weights.type, weights.quantization = schema.TensorType.FLOAT32, None
                model.buffers[weights.buffer].data = _bytes(layer.rows)
                continue
            weights.quantization.scale = layer.rounded.steps
            weights.quantization.zeroPoint = np.zeros(len(layer.rounded.steps), np.int64)
            model.buffers[weights.buffer].data = _bytes(layer.rounded.rows)
            # A tensor of its own: equal biases of several layers are one tensor in the file.
            bias = copy(graph.tensors[operator.inputs[2]])
            buffer = schema.BufferT()
            buffer.data = _bytes(layer.rounded.bias)
            bias.buffer = len(model.buffers)
            model.buffers.append(buffer)
            operator.inputs = np.array([*operator.inputs[:2], len(graph.tensors)], np.int32)
            graph.tensors.append(bias)
    # Comes with the interpreter's package, as does the schema.
    import flatbuffers

    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def _has_int8_weights(schema: Any, model: Any, graph: Any, operator: Any) -> bool:  # noqa: ANN401  Untyped classes.
    linear = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED)
    if model.operatorCodes[operator.opcodeIndex].builtinCode not in linear:
        return False
    return bool(graph.tensors[operator.inputs[1]].type == schema.TensorType.INT8)


def _layer_of(tensor: Any, model: Any, layers: Sequence[LayerWeights]) -> LayerWeights:  # noqa: ANN401
    """The layer whose weights the tensor's are, but for rounding."""
    steps = np.asarray(tensor.quantization.scale, np.float32)
    out = int(tensor.shape[0])
    if len(steps) == out:
        integers = np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(np.int8).reshape(out, -1)
        for layer in layers:
            if layer.rows.shape == integers.shape:
                rounding = np.abs(layer.rows - integers * steps[:, None])
                if (rounding <= _LARGEST_ROUNDING * steps[:, None]).all():
                    return layer
    raise UnknownWeights(f"{tensor.name.decode()}: {len(steps)} steps for {list(map(int, tensor.shape))} weights")


def _bytes(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
