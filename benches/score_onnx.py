"""The net of `benches/inference.rs` as an ONNX graph, scored by ONNX Runtime.

`score_onnx.py ROWS THREADS` prints microseconds a row, one at a time on one thread, and rows a second of so
many rows on so many threads. `score_onnx.py THREADS IN OUT` scores a CSV file into another, read and written by
polars, else by pandas, and prints which of them and the seconds, imports left out.
"""

import sys
import time

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

NUMBERS, BINS, VECTOR = 6, 64, 8
NAMES = [9, 16, 7, 15, 6, 5, 2, 42]
MEMBERS, HIDDEN, CLASSES = 4, 96, 2

random = np.random.default_rng(1)
nodes, weights = [], []


def weight(name, values):
    kind = np.int64 if np.asarray(values).dtype.kind == "i" else np.float32
    weights.append(numpy_helper.from_array(np.asarray(values, kind), name))
    return name


def node(kind, inputs, output, **attributes):
    nodes.append(helper.make_node(kind, inputs, [output], **attributes))
    return output


def drawn(*shape):
    return random.uniform(-0.1, 0.1, shape)


# Numbers: how full each bin is, times the bins' vectors, and a linear part.
column = node("Unsqueeze", ["numbers", weight("last", [2])], "column")
above = node("Sub", [column, weight("edges", np.tile(np.linspace(0, 99, BINS), (1, NUMBERS, 1)))], "above")
share = node("Clip", [above, weight("zero", 0.0), weight("one", 1.0)], "share")
turned = node("Transpose", [share], "turned", perm=[1, 0, 2])
vectors = node("MatMul", [turned, weight("bins", drawn(NUMBERS, BINS, VECTOR))], "vectors")
back = node("Transpose", [vectors], "back", perm=[1, 0, 2])
line = node("Mul", [column, weight("slope", drawn(1, NUMBERS, VECTOR))], "line")
summed = node("Add", [back, line], "summed")
flat = [node("Reshape", [summed, weight("flat_shape", [-1, NUMBERS * VECTOR])], "flat")]

# Names: a row of each table.
width = NUMBERS * VECTOR
for at, names in enumerate(NAMES):
    codes = names + 2
    size = max(1, min(round(1.6 * codes**0.56), codes, 24))
    code = node("Gather", ["codes", weight(f"at{at}", at)], f"code{at}", axis=1)
    flat.append(node("Gather", [weight(f"table{at}", drawn(codes, size)), code], f"name{at}"))
    width += size
value = node("Concat", flat, "input", axis=1)

# The members: a first layer together, then each on its own, as one batched product.
value = node("MatMul", [value, weight("w0", drawn(width, MEMBERS * HIDDEN))], "sum0")
value = node("Relu", [node("Add", [value, weight("b0", drawn(MEMBERS * HIDDEN))], "plus0")], "relu0")
value = node("Reshape", [value, weight("split_shape", [-1, MEMBERS, HIDDEN])], "split")
value = node("Transpose", [value], "members", perm=[1, 0, 2])
value = node("MatMul", [value, weight("w1", drawn(MEMBERS, HIDDEN, HIDDEN))], "sum1")
value = node("Relu", [node("Add", [value, weight("b1", drawn(MEMBERS, 1, HIDDEN))], "plus1")], "relu1")
value = node("MatMul", [value, weight("w2", drawn(MEMBERS, HIDDEN, CLASSES))], "sum2")
value = node("Add", [value, weight("b2", drawn(MEMBERS, 1, CLASSES))], "plus2")
value = node("Softmax", [value], "shares", axis=2)
node("ReduceMean", [value], "probabilities", axes=[0], keepdims=0)

graph = helper.make_graph(
    nodes,
    "net",
    [
        helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, NUMBERS]),
        helper.make_tensor_value_info("codes", TensorProto.INT64, [None, len(NAMES)]),
    ],
    [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, CLASSES])],
    weights,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8


def session(threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def rows(count):
    codes = np.stack([random.integers(0, names, count) for names in NAMES], axis=1)
    return {"numbers": random.uniform(0, 100, (count, NUMBERS)).astype(np.float32), "codes": codes}


# In batches, as its users score: a million rows at once would take gigabytes.
SIZE = 16384


def parts(many, count):
    return [{key: values[at : at + SIZE] for key, values in many.items()} for at in range(0, count, SIZE)]


def in_memory(count, threads):
    one, single = rows(1), session(1)
    for _ in range(200):
        single.run(None, one)
    started, scored = time.perf_counter(), 0
    while time.perf_counter() - started < 1:
        single.run(None, one)
        scored += 1
    per_row = (time.perf_counter() - started) / scored * 1e6

    many, several = parts(rows(count), count), session(threads)
    several.run(None, many[0])
    started = time.perf_counter()
    for part in many:
        several.run(None, part)
    print(per_row, count / (time.perf_counter() - started))


def reader():
    try:
        import polars

        return "polars", polars
    except ImportError:
        pass
    try:
        import pandas

        return "pandas", pandas
    except ImportError:
        return "", None


def csv_to_csv(threads, source, target):
    name, frames = reader()
    if not name:
        print("none")
        return
    started = time.perf_counter()
    numbers = [f"number{at}" for at in range(NUMBERS)]
    codes_of = {f"name{at}": {f"name {n}": n for n in range(names)} for at, names in enumerate(NAMES)}
    table = frames.read_csv(source)
    if name == "polars":
        coded = table.select(
            frames.col(column).replace_strict(codes, default=len(codes), return_dtype=frames.Int64)
            for column, codes in codes_of.items()
        )
    else:
        coded = frames.DataFrame(
            {
                column: table[column].map(codes).fillna(len(codes)).astype(np.int64)
                for column, codes in codes_of.items()
            }
        )
    many = {"numbers": table[numbers].to_numpy().astype(np.float32), "codes": coded.to_numpy()}
    several = session(threads)
    answers = np.concatenate([several.run(None, part)[0] for part in parts(many, len(many["codes"]))])
    answer = frames.DataFrame(
        {
            "prediction": np.where(answers[:, 1] >= 0.5, "yes", "no"),
            "prob_no": answers[:, 0],
            "prob_yes": answers[:, 1],
        }
    )
    if name == "polars":
        answer.write_csv(target)
    else:
        answer.to_csv(target, index=False)
    print(name, time.perf_counter() - started)


if len(sys.argv) == 3:
    in_memory(int(sys.argv[1]), int(sys.argv[2]))
else:
    csv_to_csv(int(sys.argv[1]), *sys.argv[2:])
