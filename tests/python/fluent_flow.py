"""MLflow's fluent interface against a server, as people use it: log, register, load, predict, search.

    fluent_flow.py ADDRESS

Runs with mlflow 2 and 3; what only one of them has is behind `three`. An assertion that fails, or an
error from the server, ends it with 1.
"""

import os
import sys
import tempfile

os.environ["MLFLOW_TRACKING_URI"] = sys.argv[1]
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow
import numpy
import onnx
import onnx.helper
import pandas
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

three = int(mlflow.__version__.split(".")[0]) >= 3
rng = numpy.random.default_rng(7)
features = pandas.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
target = (features["a"] + features["b"] > 0).astype(int)


def named(name):
    """The argument that names a logged model: `artifact_path` until mlflow 3."""
    return {"name": name} if three else {"artifact_path": name}


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input * 2


def doubling_graph():
    node = onnx.helper.make_node("Add", ["x", "x"], ["y"])
    kind = onnx.TensorProto.FLOAT
    shape = [None, 2]
    graph = onnx.helper.make_graph(
        [node], "doubling", [onnx.helper.make_tensor_value_info("x", kind, shape)], [onnx.helper.make_tensor_value_info("y", kind, shape)]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model


mlflow.set_experiment("fluent")
with mlflow.start_run(run_name="first", tags={"team": "red"}, description="the first one") as first:
    mlflow.log_param("solver", "lbfgs")
    mlflow.log_params({"c": 1.0, "depth": 3})
    for step in range(5):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.log_metrics({"auc": 0.9, "val/auc": 0.8, "odd": float("nan"), "huge": float("inf")})
    mlflow.set_tag("note", "it's \"quoted\" and größer")
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "notes/data.json")
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/inner")
        for path in ("one.bin", "inner/größe 2.bin", "empty"):
            with open(f"{folder}/{path}", "wb") as file:
                file.write(os.urandom(0 if path == "empty" else 70_000))
        mlflow.log_artifacts(folder, "files")
    dataset = mlflow.data.from_pandas(features.assign(y=target), source="table.csv", name="table", targets="y")
    mlflow.log_input(dataset, context="training")
    classifier = LogisticRegression().fit(features, target)
    signature = infer_signature(features, classifier.predict(features))
    logged = mlflow.sklearn.log_model(classifier, **named("classifier"), signature=signature, registered_model_name="flow sklearn")
    mlflow.pyfunc.log_model(**named("doubling"), python_model=Doubling(), pip_requirements=["mlflow"], registered_model_name="flow-pyfunc")
    mlflow.onnx.log_model(doubling_graph(), **named("graph"), pip_requirements=["onnxruntime"], registered_model_name="flow.onnx")

run = mlflow.get_run(first.info.run_id)
assert run.info.status == "FINISHED" and run.info.run_name == "first", run.info
assert run.data.params == {"solver": "lbfgs", "c": "1.0", "depth": "3"}, run.data.params
assert run.data.metrics["loss"] == 0.2 and run.data.metrics["val/auc"] == 0.8, run.data.metrics
assert numpy.isnan(run.data.metrics["odd"]) and run.data.metrics["huge"] > 1e308, run.data.metrics
assert run.data.tags["note"] == "it's \"quoted\" and größer" and run.data.tags["team"] == "red"
assert [(i.dataset.name, i.tags[0].value) for i in run.inputs.dataset_inputs] == [("table", "training")], run.inputs

# Files come back as they went.
found = mlflow.artifacts.list_artifacts(run_id=first.info.run_id, artifact_path="files")
assert sorted(file.path for file in found) == ["files/empty", "files/inner", "files/one.bin"], found
with tempfile.TemporaryDirectory() as folder:
    local = mlflow.artifacts.download_artifacts(run_id=first.info.run_id, artifact_path="files", dst_path=folder)
    assert os.path.getsize(f"{local}/inner/größe 2.bin") == 70_000 and os.path.getsize(f"{local}/empty") == 0
assert mlflow.artifacts.load_text(f"runs:/{first.info.run_id}/notes/hello.txt") == "hello"
assert mlflow.artifacts.load_dict(f"runs:/{first.info.run_id}/notes/data.json") == {"a": [1, 2]}

# Every flavor loads by version, by alias, and from its run.
client = mlflow.MlflowClient()
for name in ("flow sklearn", "flow-pyfunc", "flow.onnx"):
    client.set_registered_model_alias(name, "production", "1")
    assert client.get_model_version_by_alias(name, "production").version == "1"
expected = classifier.predict(features)
for uri in ("models:/flow sklearn/1", "models:/flow sklearn@production", f"runs:/{first.info.run_id}/classifier", logged.model_uri):
    assert (mlflow.pyfunc.load_model(uri).predict(features) == expected).all(), uri
assert (mlflow.sklearn.load_model("models:/flow sklearn@production").predict(features) == expected).all()
numbers = numpy.asarray([[1, 2], [3, 4]], dtype=numpy.float32)
assert (numpy.asarray(mlflow.pyfunc.load_model("models:/flow-pyfunc@production").predict(numbers)) == numbers * 2).all()
assert (mlflow.pyfunc.load_model("models:/flow.onnx@production").predict(numbers)["y"] == numbers * 2).all()
again = mlflow.register_model(f"runs:/{first.info.run_id}/classifier", "flow sklearn", tags={"again": "yes"})
assert str(again.version) == "2", again

# Search, with filters, orders and pages.
ids = []
for number in range(5):
    with mlflow.start_run(run_name=f"more {number}") as more:
        mlflow.log_metric("auc", number / 10)
        mlflow.log_param("depth", number)
        mlflow.set_tag("even", number % 2 == 0)
        ids.append(more.info.run_id)


def names(**query):
    return list(mlflow.search_runs(experiment_names=["fluent"], output_format="pandas", **query)["tags.mlflow.runName"])


assert names(filter_string="metrics.auc > 0.25", order_by=["metrics.auc DESC"]) == ["first", "more 4", "more 3"]
assert names(filter_string="params.depth = '3' and tags.`mlflow.runName` LIKE 'more%'") == ["more 3"]
assert names(filter_string="tags.even = 'True'", order_by=["attributes.start_time ASC"]) == ["more 0", "more 2", "more 4"]
assert names(filter_string="attributes.run_name ILIKE 'MORE 1'") == ["more 1"]
assert names(filter_string="datasets.name = 'table' AND dataset.context = 'training'") == ["first"]
assert names(filter_string=f"run_id IN ('{ids[0]}', '{ids[1]}')", order_by=["metrics.auc"]) == ["more 0", "more 1"]
assert names(filter_string="tags.team IS NULL", order_by=["metrics.auc"], max_results=2) == ["more 0", "more 1"] if three else True
assert len(mlflow.search_runs(experiment_names=["fluent"], max_results=3)) == 3
assert [found.name for found in mlflow.search_experiments(filter_string="name LIKE 'flu%'")] == ["fluent"]
assert {model.name for model in mlflow.search_registered_models(filter_string="name LIKE 'flow%'")} == {"flow sklearn", "flow-pyfunc", "flow.onnx"}
assert [v.version for v in mlflow.search_model_versions(filter_string="name = 'flow sklearn'", order_by=["version_number DESC"])] in (["2", "1"], [2, 1])

if three:
    models = mlflow.search_logged_models(filter_string="name = 'classifier'", output_format="list")
    assert [model.name for model in models] == ["classifier"], models
    model = mlflow.get_logged_model(models[0].model_id)
    assert model.source_run_id == first.info.run_id and str(model.status) == "READY", model
    assert "flow sklearn" in model.tags["mlflow.modelVersions"], model.tags
    mlflow.set_logged_model_tags(model.model_id, {"kind": "linear"})
    with mlflow.start_run(run_name="measured"):
        mlflow.log_metric("f1", 0.75, model_id=model.model_id, dataset=dataset)
    assert mlflow.search_logged_models(filter_string="metrics.f1 > 0.7 AND tags.kind = 'linear'", output_format="list")[0].model_id == model.model_id
    ordered = mlflow.search_logged_models(order_by=[{"field_name": "metrics.f1", "ascending": False}], output_format="list")
    assert ordered[0].model_id == model.model_id, ordered
    on_it = mlflow.search_logged_models(datasets=[{"dataset_name": "table", "dataset_digest": dataset.digest}], output_format="list")
    assert [model.name for model in on_it] == ["classifier"], on_it
    metrics = {(metric.key, metric.dataset_name) for metric in mlflow.get_logged_model(model.model_id).metrics}
    assert ("f1", "table") in metrics, metrics
    external = mlflow.create_external_model(name="elsewhere", model_type="api")
    assert mlflow.get_logged_model(external.model_id).model_type == "api"
    client.delete_logged_model_tag(model.model_id, "kind")
    assert "kind" not in mlflow.get_logged_model(model.model_id).tags
    client.delete_logged_model(external.model_id)
    assert "elsewhere" not in {model.name for model in mlflow.search_logged_models(output_format="list")}

# Deleting and restoring.
mlflow.delete_run(ids[0])
assert "more 0" not in names()
client.restore_run(ids[0])
assert "more 0" in names()
mlflow.set_experiment_tag("owner", "ada")
experiment = mlflow.get_experiment_by_name("fluent")
assert experiment.tags["owner"] == "ada", experiment
mlflow.delete_experiment(experiment.experiment_id)
assert mlflow.get_experiment(experiment.experiment_id).lifecycle_stage == "deleted"
client.restore_experiment(experiment.experiment_id)
assert len(names()) == (7 if three else 6), names()
print(f"fluent flow of mlflow {mlflow.__version__}: done")
