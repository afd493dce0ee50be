"""MlflowClient against a server: every verb of its tracking and registry interface, once.

    client_flow.py ADDRESS

Runs with mlflow 2 and 3; what only one of them has is behind `three`.
"""

import os
import sys
import tempfile
import time
import warnings

os.environ["MLFLOW_TRACKING_URI"] = sys.argv[1]
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
warnings.simplefilter("ignore", FutureWarning)

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

three = int(mlflow.__version__.split(".")[0]) >= 3
client = mlflow.MlflowClient()


def refused(code, call, *arguments, **named):
    """The call fails, and with this error code."""
    try:
        answer = call(*arguments, **named)
    except MlflowException as error:
        assert error.error_code == code, f"{error.error_code}, not {code}: {error}"
        return
    raise AssertionError(f"not refused with {code}: {answer}")


# Experiments.
first = client.create_experiment("first", tags={"team": "red"})
second = client.create_experiment("second", artifact_location="s3://bucket/second")
refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, "first")
assert client.get_experiment(first).tags == {"team": "red"}
assert client.get_experiment_by_name("second").artifact_location == "s3://bucket/second"
assert client.get_experiment_by_name("none") is None
refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "99999")
client.set_experiment_tag(first, "owner", "ada")
client.rename_experiment(second, "zweites")
found = client.search_experiments(filter_string="tags.owner = 'ada'")
assert [experiment.name for experiment in found] == ["first"], found
page = client.search_experiments(max_results=2, order_by=["name ASC"])
rest = client.search_experiments(max_results=2, order_by=["name ASC"], page_token=page.token)
assert [experiment.name for experiment in [*page, *rest]] == ["Default", "first", "zweites"], (page, rest)
assert rest.token is None or rest.token == "", rest.token
client.delete_experiment(second)
assert [e.name for e in client.search_experiments(view_type=ViewType.DELETED_ONLY)] == ["zweites"]
client.restore_experiment(second)
if three:
    client.delete_experiment_tag(first, "owner")
    assert "owner" not in client.get_experiment(first).tags

# Runs.
run = client.create_run(first, run_name="a run", tags={"colour": "red"})
id = run.info.run_id
now = int(time.time() * 1000)
client.log_batch(
    id,
    metrics=[Metric("loss", 1 / (step + 1), now + step, step) for step in range(900)],
    params=[Param(f"p{number}", str(number)) for number in range(50)],
    tags=[RunTag("batch", "yes")],
)
client.log_metric(id, "auc", 0.5, step=3)
client.log_param(id, "depth", 7)
refused("INVALID_PARAMETER_VALUE", client.log_param, id, "depth", 8)
refused("INVALID_PARAMETER_VALUE", client.log_metric, id, "a\nb", 1)
client.set_tag(id, "note", "hello")
client.delete_tag(id, "note")
refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, id, "note")
history = client.get_metric_history(id, "loss")
assert len(history) == 900 and history[-1].value == 1 / 900, len(history)
client.update_run(id, name="another name")
client.set_terminated(id, "FAILED")
held = client.get_run(id)
assert (held.info.status, held.info.run_name, held.data.params["depth"]) == ("FAILED", "another name", "7"), held
assert held.info.end_time >= held.info.start_time and held.data.tags["colour"] == "red"
dataset = Dataset("table", "abc", "local", '{"path": "t.csv"}', schema="{}", profile="{}")
client.log_inputs(id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
assert client.get_run(id).inputs.dataset_inputs[0].dataset.digest == "abc"
refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
more = [client.create_run(first, run_name=f"run {number}", start_time=number + 1).info.run_id for number in range(7)]
seen, token = [], None
while True:
    page = client.search_runs([first], "attributes.run_name LIKE 'run %'", max_results=3, order_by=["start_time ASC"], page_token=token)
    seen += [run.info.run_name for run in page]
    token = page.token
    if not token:
        break
assert seen == [f"run {number}" for number in range(7)], seen
refused("INVALID_PARAMETER_VALUE", client.search_runs, [first], "colours.red = 'x'")
refused("INVALID_PARAMETER_VALUE", client.search_runs, [first], page_token="garbage")
refused("INVALID_PARAMETER_VALUE", client.search_runs, [first], max_results=50_001)
client.delete_run(more[0])
assert client.get_run(more[0]).info.lifecycle_stage == "deleted"
refused("INVALID_PARAMETER_VALUE", client.log_metric, more[0], "auc", 1)
client.restore_run(more[0])

# Files.
with tempfile.TemporaryDirectory() as folder:
    os.makedirs(f"{folder}/model")
    for name in ("MLmodel", "weights.bin"):
        with open(f"{folder}/model/{name}", "wb") as file:
            file.write(name.encode())
    client.log_artifacts(id, folder)
    client.log_artifact(id, f"{folder}/model/MLmodel", "copies")
assert sorted(f.path for f in client.list_artifacts(id)) == ["copies", "model"]
assert [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(id, "model")] == [("model/MLmodel", False, 7), ("model/weights.bin", False, 11)]
with tempfile.TemporaryDirectory() as folder:
    with open(client.download_artifacts(id, "model/weights.bin", folder), "rb") as file:
        assert file.read() == b"weights.bin"

# Registered models and versions.
model = client.create_registered_model("churn", tags={"team": "red"}, description="who leaves")
refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "churn")
refused("INVALID_PARAMETER_VALUE", client.create_registered_model, "a/b")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "none")
client.update_registered_model("churn", "who goes")
client.set_registered_model_tag("churn", "k", "v")
client.delete_registered_model_tag("churn", "k")
held = client.get_registered_model("churn")
assert (held.description, held.tags) == ("who goes", {"team": "red"}), held
source = f"{client.get_run(id).info.artifact_uri}/model"
for number in range(1, 4):
    version = client.create_model_version("churn", source, run_id=id, tags={"n": str(number)}, description=f"number {number}")
    assert str(version.version) == str(number) and version.status == "READY", version
client.update_model_version("churn", "2", "the second")
client.set_model_version_tag("churn", "2", "k", "v")
client.delete_model_version_tag("churn", "2", "k")
held = client.get_model_version("churn", "2")
assert (held.description, held.tags, held.run_id) == ("the second", {"n": "2"}, id), held
refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "churn", "99")
uri = client.get_model_version_download_uri("churn", "2")
with tempfile.TemporaryDirectory() as folder:
    local = mlflow.artifacts.download_artifacts(artifact_uri="models:/churn/2", dst_path=folder)
    assert sorted(os.listdir(local))[:1] == ["MLmodel"], os.listdir(local)

client.set_registered_model_alias("churn", "production", "1")
client.set_registered_model_alias("churn", "production", "2")
assert str(client.get_model_version_by_alias("churn", "production").version) == "2"
assert client.get_registered_model("churn").aliases in ({"production": "2"}, {"production": 2})
refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, "churn", "none")
refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, "churn", "latest", "1")
refused("RESOURCE_DOES_NOT_EXIST", client.set_registered_model_alias, "churn", "staging", "99")

assert client.transition_model_version_stage("churn", "1", "Production").current_stage == "Production"
assert client.transition_model_version_stage("churn", "2", "production", archive_existing_versions=True).current_stage == "Production"
assert client.get_model_version("churn", "1").current_stage == "Archived"
refused("INVALID_PARAMETER_VALUE", client.transition_model_version_stage, "churn", "1", "Dancing")
assert [str(v.version) for v in client.get_latest_versions("churn", stages=["Production"])] == ["2"]
assert sorted(str(v.version) for v in client.get_latest_versions("churn")) == ["1", "2", "3"]

found = client.search_model_versions("name = 'churn' AND tags.n != '2'", order_by=["version_number ASC"])
assert [str(v.version) for v in found] == ["1", "3"], found
page = client.search_model_versions("name='churn'", max_results=2, order_by=["version_number DESC"])
rest = client.search_model_versions("name='churn'", max_results=2, order_by=["version_number DESC"], page_token=page.token)
assert [str(v.version) for v in [*page, *rest]] == ["3", "2", "1"]
assert [str(v.version) for v in client.search_model_versions(f"run_id = '{id}' and version_number > 2")] == ["3"] if three else True
assert [m.name for m in client.search_registered_models("name ILIKE 'CHU%' AND tags.team = 'red'")] == ["churn"]
refused("INVALID_PARAMETER_VALUE", client.search_registered_models, "description = 'x'")
refused("INVALID_PARAMETER_VALUE", client.search_model_versions, max_results=200_001)

# A model that is renamed takes its versions and aliases with it.
client.rename_registered_model("churn", "leavers")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "churn")
assert str(client.get_model_version_by_alias("leavers", "production").version) == "2"
assert len(client.search_model_versions("name='leavers'")) == 3
copied = client.copy_model_version("models:/leavers/2", "copies")
assert str(copied.version) == "1" and copied.run_id == id, copied

client.delete_registered_model_alias("leavers", "production")
client.delete_registered_model_alias("leavers", "production")
client.delete_model_version("leavers", "3")
refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "leavers", "3")
assert str(client.create_model_version("leavers", source, run_id=id).version) == "4"
client.delete_registered_model("leavers")
refused("RESOURCE_DOES_NOT_EXIST", client.delete_registered_model, "leavers")

if three:
    model = client.create_logged_model(first, name="net", source_run_id=id, tags={"t": "1"}, params={"lr": "0.1"})
    model = client.finalize_logged_model(model.model_id, "READY")
    assert str(model.status) == "READY" and model.params == {"lr": "0.1"}, model
    client.set_logged_model_tags(model.model_id, {"u": "2"})
    client.log_model_params(model.model_id, {"depth": "3"})
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/MLmodel", "w") as file:
            file.write("flavors: {}")
        client.log_model_artifacts(model.model_id, folder)
    assert [f.path for f in client.list_logged_model_artifacts(model.model_id)] == ["MLmodel"]
    page = client.search_logged_models([first], filter_string="params.depth = '3' AND tags.u = '2'")
    assert [found.model_id for found in page] == [model.model_id]
    client.delete_logged_model(model.model_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, model.model_id)

print(f"client flow of mlflow {mlflow.__version__}: done")
