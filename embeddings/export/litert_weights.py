"""Puts weights in int8 into a LiteRT file that was converted with markers in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from embeddings.export.weight_rounding import RoundedWeights

_FILE_IDENTIFIER: Final = b"TFL3"
# From these on, the two kinds of layer take weights in int8 with a step per channel beside inputs in float32.
_CONVOLUTION_VERSION, _FULLY_CONNECTED_VERSION = 5, 12


class UnknownWeights(ValueError):
    """The file has a marker of no layer."""


def marker(position: int) -> float:
    """The number that all weights of the layer at a position are in the conversion: another one for each layer.

    The converter renames and merges what it converts, and takes thirty times the memory of the weights that it moves
    about (VGG16's: 16 GB); of one number many times over it keeps one.
    """
    return float(position + 1)


def replace_weights(content: bytes, layers: Sequence[RoundedWeights]) -> bytes:
    """The file with the layers' weights in place of their markers; weights that are no markers stay.

    Replaced layers multiply in int8: the interpreter brings their inputs to int8 on a scale of their own. Layers whose
    outputs nobody asked for are not in the file, which is no error.

    Raises:
        UnknownWeights: weights in the file are one number many times over, and not the marker of a layer of their size.
    """
    # Here and not at the top, because only those who convert need it.
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    versions = {
        schema.BuiltinOperator.CONV_2D: _CONVOLUTION_VERSION,
        schema.BuiltinOperator.FULLY_CONNECTED: _FULLY_CONNECTED_VERSION,
    }
    for code in model.operatorCodes:
        code.version = max(code.version, versions.get(code.builtinCode, code.version))
    for graph in model.subgraphs:
        for operator in graph.operators:
            if model.operatorCodes[operator.opcodeIndex].builtinCode not in versions:
                continue
            weights = graph.tensors[operator.inputs[1]]
            layer = _marked(weights, model, layers)
            if layer is None:
                continue
            weights.type = schema.TensorType.INT8
            weights.quantization = schema.QuantizationParametersT()
            weights.quantization.scale = layer.steps
            weights.quantization.zeroPoint = np.zeros(len(layer.steps), np.int64)
            _set_data(schema, model, weights, layer.rows)
            if isinstance(operator.builtinOptions, schema.FullyConnectedOptionsT):
                operator.builtinOptions.asymmetricQuantizeInputs = True
            # A tensor of its own: equal biases of several layers are one tensor in the file, and biases of zero none.
            bias = schema.TensorT()
            bias.name, bias.type, bias.hasRank = weights.name + b"/bias", schema.TensorType.FLOAT32, True
            bias.shape = np.array([len(layer.bias)], np.int32)
            _set_data(schema, model, bias, layer.bias)
            operator.inputs = np.array([*operator.inputs[:2], len(graph.tensors)], np.int32)
            graph.tensors.append(bias)
    _drop_unused(schema, model)
    # Comes with the interpreter's package, as does the schema.
    import flatbuffers

    builder = flatbuffers.Builder(len(content) // 3)
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())


def _marked(
    tensor: Any,  # noqa: ANN401  The schema's classes are untyped, here and below.
    model: Any,  # noqa: ANN401
    layers: Sequence[RoundedWeights],
) -> RoundedWeights | None:
    """The layer whose marker the tensor's weights are."""
    data = model.buffers[tensor.buffer].data
    if data is None:
        return None
    numbers = np.asarray(data, np.uint8).view(np.float32)
    # Weights of zero are those of a layer that has learnt nothing.
    if numbers[0] == 0 or (numbers != numbers[0]).any():
        return None
    for position, layer in enumerate(layers):
        if numbers.size == layer.rows.size and numbers[0] == marker(position):
            return layer
    raise UnknownWeights(f"{tensor.name.decode()}: no layer of {numbers.size} weights has the marker {numbers[0]:g}")


def _set_data(schema: Any, model: Any, tensor: Any, values: NDArray[np.generic]) -> None:  # noqa: ANN401
    """Give the tensor a buffer of its own: the converter lets tensors of equal numbers share one."""
    buffer = schema.BufferT()
    buffer.data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    tensor.buffer = len(model.buffers)
    model.buffers.append(buffer)


def _drop_unused(schema: Any, model: Any) -> None:  # noqa: ANN401
    """Empty the buffers that no tensor has any more; the others keep their numbers."""
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    for number in range(len(model.buffers)):
        if number not in used:
            model.buffers[number] = schema.BufferT()
