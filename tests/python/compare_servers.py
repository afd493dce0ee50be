"""The same requests to two servers, and where their answers differ.

    compare_servers.py REFERENCE OURS [--verbose]

REFERENCE is the address of an `mlflow server`, OURS of an `mlx registry serve`; both fresh, both
loopback. Statuses, error codes, messages and bodies are compared, with ids, times and addresses
taken out. Where we differ on purpose, `ON_PURPOSE` says why; anything else, and a difference named
there that is no more, ends the script with 1.
"""

import http.client
import json
import re
import sys
import urllib.parse

API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts"

# Which requests (their labels, as a pattern) we answer differently, and why. Each must still differ.
ON_PURPOSE = {
    r"(experiment|run) search odd view|experiment search by odd view|run update odd status|logged finalize odd": "a word that means nothing is refused",
    r"metric with half a step": "half a step is no step",
    r"inputs without (name|dataset)": "a dataset has a name",
    r"batch with a tag that is none|(version|model) filter \d+: tags\..* IS NULL|logged filter 23: .*": "the reference breaks, 500",
    r"experiment rename to taken": "a name that is taken is RESOURCE_ALREADY_EXISTS, not BAD_REQUEST",
    r"experiment update deleted|stage none archiving": "400, not 500, which clients try again",
    r"experiment search without limit": "a search has a default",
    r"experiment filter [89]: .*": "the experiment Default is as old as the world",
    r"(model|logged) search at zero": "no page has no items",
    r"history missing run|file delete again|file get folder": "what isn't there is 404",
    r"run create odd": "a run that says no start starts now",
    r"file (get|head|range|put|if|delete).*": "ranges and ETags as HTTP has them, and a content type that no browser runs",
    r"version order by (name|version_number DESC)|model order by name DESC": "a field twice is no fault, the first counts",
    r"model order by creation_timestamp ASC": "a field that models have is one to order by",
    r"version delete with alias": "what an alias points to stays",
    r"version create (without|with other) run|logged version without id": "a version pins its files, wherever they are here",
    r"alias dotted": "an environment may have a dot",
    r"logged params changed": "a changed parameter is INVALID_PARAMETER_VALUE, as a run's is, not BAD_REQUEST",
    r"logged filter 10: .*": "a status is found by its name",
    r"logged order of digest alone": "a digest without a name is of no dataset",
    r"logged of data and metric": "a dataset without a digest is any of its name",
    r"logged get deleted allowed": "a status that means nothing was refused",
    r"no route.*|wrong method.*|bad json": "MLflow's error body, with ENDPOINT_NOT_FOUND or INVALID_PARAMETER_VALUE",
    r"other content type|no content type": "JSON is JSON, whatever is said of it",
    r"camel case": "one spelling of each field",
}

# Failures with the status and error code of the reference, and words of our own.
OWN_WORDS = re.compile(
    r".* bad token|.* beyond limit|.* at zero|.* order by .*(nothing|Start Time|tags\.\w+|version)'?|batch param changed|experiment create (again|with deleted name)"
    r"|(file|run artifacts|logged artifacts) .*(up|absolute)|file get missing|version create (local|file|up|up encoded|http)|alias (odd|long|of missing)|rename to taken"
    r"|run filter (91|97): .*|version filter (15|16): .*|logged filter (24|25|26|32): .*|bad json list"
)

# Keys whose values are of the moment or of the machine.
MOMENTS = {
    "creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp",
    "creation_timestamp_ms", "last_updated_timestamp_ms",
}
# Keys of features that only the reference has, whose clients don't miss them, and who asked: without
# access control that is whoever says so.
ABSENT = {"workspace", "sqlstate", "error_class", "user_id"}
# Keys that only we answer: a version's aliases where it is listed, its logged model, the size of an empty file.
MORE = {"model_id", "aliases"}
HEADERS = ("content-type", "content-disposition", "x-content-type-options", "content-range", "accept-ranges", "content-length")


class Server:
    """One server, what it was asked and what it said."""

    def __init__(self, address):
        self.address = urllib.parse.urlsplit(address)
        self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=60)
        self.answers = {}
        self.known = {}

    def ask(self, label, method, path, body=None, query=None, headers=None, files=False):
        """Send it, note the answer under `label`, and give its JSON (or bytes)."""
        if not path.startswith("/"):
            path = API + path
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        sent = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        self.connection.request(method, path, body=body, headers=sent)
        answer = self.connection.getresponse()
        content = answer.read()
        try:
            said = json.loads(content) if content else None
        except ValueError:
            said = content.decode("utf-8", "replace")
        noted = {"status": answer.status, "body": said}
        if files:
            noted["headers"] = {name: answer.getheader(name) for name in HEADERS}
        assert label not in self.answers, f"{label} twice"
        self.answers[label] = noted
        return said if isinstance(said, dict) else {"": said, "etag": answer.getheader("etag")}

    def post(self, label, path, /, **body):
        return self.ask(label, "POST", path, body)

    def get(self, label, path, /, **query):
        return self.ask(label, "GET", path, query=query)

    def learn(self, name, value):
        """An id that the server made up: shown as its name from now on."""
        self.known[str(value)] = name
        return value

    def plain(self, value, key=None):
        """An answer without what is of this server alone."""
        if isinstance(value, dict):
            held = {name: self.plain(held, name) for name, held in sorted(value.items()) if name not in ABSENT}
            if "version" in held and "source" in held:
                held = {name: value for name, value in held.items() if name not in MORE}
            return {name: value for name, value in held.items() if name not in ("inputs", "outputs", "file_size") or value}
        if isinstance(value, list):
            held = [self.plain(item) for item in value]
            # In no order of their own.
            if key == "latest_versions":
                held.sort(key=lambda version: version["version"])
            if held and all(isinstance(item, dict) and {"key", "alias", "dataset"} & set(item) for item in held):
                held.sort(key=lambda item: json.dumps(item, sort_keys=True))
            return held
        if key in MOMENTS or (key == "end_time" and isinstance(value, int) and value > 1e12):
            return "<moment>"
        if key == "next_page_token":
            return "<token>"
        if isinstance(value, str) and value.startswith("[{"):
            return self.plain(json.loads(value))
        if isinstance(value, str):
            for known in sorted(self.known, key=len, reverse=True):
                value = re.sub(rf"(?<![\w.]){re.escape(known)}(?![\w.])", f"<{self.known[known]}>", value)
            value = value.replace(f"{self.address.hostname}:{self.address.port}", "<address>")
        return value


def experiments(s):
    made = s.post("experiment create", "experiments/create", name="one", tags=[{"key": "team", "value": "red"}])
    one = s.learn("one", made["experiment_id"])
    s.post("experiment create again", "experiments/create", name="one")
    s.post("experiment create without name", "experiments/create")
    s.post("experiment create with empty name", "experiments/create", name="")
    made = s.post("experiment create with blank name", "experiments/create", name="  ")
    s.learn("blank", made.get("experiment_id", "blank"))
    s.post("experiment create with number as name", "experiments/create", name=7)
    s.post("experiment create with tags that are none", "experiments/create", name="x", tags="red")
    s.post("experiment create with long name", "experiments/create", name="n" * 501)
    made = s.post("experiment create with unknown field", "experiments/create", name="extra", colour="red")
    s.learn("extra", made["experiment_id"])
    two = s.post("experiment create two", "experiments/create", name="two", artifact_location="s3://bucket/two")
    two = s.learn("two", two["experiment_id"])
    s.get("experiment get", "experiments/get", experiment_id=one)
    s.get("experiment get two", "experiments/get", experiment_id=two)
    s.get("experiment get default", "experiments/get", experiment_id="0")
    s.get("experiment get missing", "experiments/get", experiment_id="99999")
    s.get("experiment get odd id", "experiments/get", experiment_id="abc")
    s.get("experiment get without id", "experiments/get")
    s.get("experiment by name", "experiments/get-by-name", experiment_name="one")
    s.get("experiment by missing name", "experiments/get-by-name", experiment_name="none")
    s.get("experiment by no name", "experiments/get-by-name")
    s.post("experiment tag", "experiments/set-experiment-tag", experiment_id=one, key="k", value="v")
    s.post("experiment tag replaced", "experiments/set-experiment-tag", experiment_id=one, key="k", value="w")
    s.post("experiment tag without key", "experiments/set-experiment-tag", experiment_id=one, value="v")
    s.post("experiment tag without value", "experiments/set-experiment-tag", experiment_id=one, key="empty")
    s.post("experiment tag of missing", "experiments/set-experiment-tag", experiment_id="99999", key="k", value="v")
    s.post("experiment tag too long", "experiments/set-experiment-tag", experiment_id=one, key="k" * 251, value="v")
    s.post("experiment tag value too long", "experiments/set-experiment-tag", experiment_id=one, key="k", value="v" * 20001)
    s.post("experiment tag delete", "experiments/delete-experiment-tag", experiment_id=one, key="empty")
    s.post("experiment tag delete again", "experiments/delete-experiment-tag", experiment_id=one, key="empty")
    s.post("experiment tag delete of missing", "experiments/delete-experiment-tag", experiment_id="99999", key="k")
    s.get("experiment get tagged", "experiments/get", experiment_id=one)
    s.post("experiment rename", "experiments/update", experiment_id=two, new_name="zwei")
    s.post("experiment rename to taken", "experiments/update", experiment_id=two, new_name="one")
    s.post("experiment rename without name", "experiments/update", experiment_id=two)
    s.post("experiment rename of missing", "experiments/update", experiment_id="99999", new_name="x")
    s.get("experiment get renamed", "experiments/get", experiment_id=two)
    s.post("experiment delete", "experiments/delete", experiment_id=two)
    s.post("experiment delete again", "experiments/delete", experiment_id=two)
    s.post("experiment delete missing", "experiments/delete", experiment_id="99999")
    s.get("experiment get deleted", "experiments/get", experiment_id=two)
    s.get("experiment by deleted name", "experiments/get-by-name", experiment_name="zwei")
    s.post("experiment create with deleted name", "experiments/create", name="zwei")
    s.post("experiment update deleted", "experiments/update", experiment_id=two, new_name="x")
    s.post("experiment tag deleted", "experiments/set-experiment-tag", experiment_id=two, key="a", value="b")
    s.post("run in deleted experiment", "runs/create", experiment_id=two)
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        s.post(f"experiment search {view}", "experiments/search", max_results=100, view_type=view)
    s.post("experiment restore", "experiments/restore", experiment_id=two)
    s.post("experiment restore again", "experiments/restore", experiment_id=two)
    s.post("experiment restore missing", "experiments/restore", experiment_id="99999")
    s.post("experiment search by odd view", "experiments/search", max_results=10, view_type="SOME")
    s.post("experiment search without limit", "experiments/search")
    s.post("experiment search at zero", "experiments/search", max_results=0)
    s.post("experiment search beyond limit", "experiments/search", max_results=50001)
    s.post("experiment search bad token", "experiments/search", max_results=5, page_token="garbage")
    page = s.post("experiment page 1", "experiments/search", max_results=2, order_by=["name ASC"])
    s.post("experiment page 2", "experiments/search", max_results=2, order_by=["name ASC"], page_token=page.get("next_page_token"))
    for number, text in enumerate([
        "name = 'one'", "name LIKE 'z%'", "name ILIKE 'ONE'", "tags.team = 'red'", "tag.team != 'red'", "tags.k = 'w' AND name != 'x'",
        "attribute.name = 'one'", "attributes.name = 'one'", "creation_time > 0", "last_update_time < 5", "name IN ('one','two')",
        "name > 'a'", "tags.team > 'a'", "metrics.a = 1", "params.a = 'b'", "id = '1'", "name = one", "name = 'one' OR name = 'two'", "name",
        "creation_time = 'x'", "creation_time LIKE '1%'", "tags.team IS NULL", "tags.team IS NOT NULL", "name IS NULL", "experiment_id = '0'",
        "experiment_id IN ('0')", "experiment_id NOT IN ('0')", "tags.`team` = 'red'", 'tags."team" = "red"', "attr.name = 'one'", "; name = 'one'", "name = 'one';",
    ]):
        s.post(f"experiment filter {number}: {text}", "experiments/search", max_results=50, filter=text, order_by=["name"])
    for text in ["name", "name DESC", "creation_time", "experiment_id ASC", "tags.team", "metrics.x", "nothing", "name sideways", "", "last_update_time DESC, name", "`name` desc", "attribute.name"]:
        s.post(f"experiment order by {text!r}", "experiments/search", max_results=50, order_by=[text, "experiment_id"], filter="name != 'never'")


def runs(s):
    one = next(known for known, name in s.known.items() if name == "one")
    made = s.post("run create", "runs/create", experiment_id=one, user_id="ada", run_name="first", start_time=1000,
                  tags=[{"key": "colour", "value": "red"}, {"key": "mlflow.user", "value": "ada"}])
    a = s.learn("run a", made["run"]["info"]["run_id"])
    made = s.post("run create b", "runs/create", experiment_id=one, run_name="second", start_time=2000, tags=[{"key": "colour", "value": "green"}])
    b = s.learn("run b", made["run"]["info"]["run_id"])
    made = s.post("run create c", "runs/create", experiment_id=one, start_time=3000, run_name="third")
    c = s.learn("run c", made["run"]["info"]["run_id"])
    s.post("run create in missing", "runs/create", experiment_id="99999")
    s.post("run create in odd", "runs/create", experiment_id="a b")
    s.post("run create with other name in tag", "runs/create", experiment_id=one, run_name="x", tags=[{"key": "mlflow.runName", "value": "y"}])
    s.post("run create with text as time", "runs/create", experiment_id=one, start_time="abc")
    s.get("run get", "runs/get", run_id=a)
    s.get("run get by uuid", "runs/get", run_uuid=a)
    s.get("run get missing", "runs/get", run_id="0" * 32)
    s.get("run get odd", "runs/get", run_id="../x")
    s.get("run get nothing", "runs/get")
    s.post("run update", "runs/update", run_id=a, status="FINISHED", end_time=4000)
    s.post("run update name", "runs/update", run_id=a, run_name="renamed")
    s.post("run update odd status", "runs/update", run_id=a, status="DANCING")
    s.post("run update missing", "runs/update", run_id="0" * 32, status="FINISHED")
    s.post("run update nothing", "runs/update", status="FINISHED")
    s.get("run get updated", "runs/get", run_id=a)

    s.post("metric", "runs/log-metric", run_id=a, key="auc", value=0.5, timestamp=1, step=0)
    s.post("metric next", "runs/log-metric", run_id=a, key="auc", value=0.75, timestamp=2, step=1)
    s.post("metric older step", "runs/log-metric", run_id=a, key="auc", value=0.1, timestamp=9, step=0)
    s.post("metric as text", "runs/log-metric", run_id=a, key="text", value="1.5", timestamp=3)
    s.post("metric NaN", "runs/log-metric", run_id=a, key="nan", value="NaN", timestamp=3)
    s.post("metric Infinity", "runs/log-metric", run_id=a, key="inf", value="Infinity", timestamp=3)
    s.post("metric -Infinity", "runs/log-metric", run_id=a, key="ninf", value="-Infinity", timestamp=3)
    s.post("metric word", "runs/log-metric", run_id=a, key="word", value="many", timestamp=3)
    s.post("metric without value", "runs/log-metric", run_id=a, key="auc", timestamp=3)
    s.post("metric without timestamp", "runs/log-metric", run_id=a, key="auc", value=1)
    s.post("metric without key", "runs/log-metric", run_id=a, value=1, timestamp=3)
    s.post("metric of missing", "runs/log-metric", run_id="0" * 32, key="auc", value=1, timestamp=3)
    s.post("metric without run", "runs/log-metric", key="auc", value=1, timestamp=3)
    s.post("metric with odd key", "runs/log-metric", run_id=a, key="a\nb", value=1, timestamp=3)
    s.post("metric with dotted path", "runs/log-metric", run_id=a, key="../b", value=1, timestamp=3)
    s.post("metric with slash", "runs/log-metric", run_id=a, key="val/auc", value=1, timestamp=3)
    s.post("metric with long key", "runs/log-metric", run_id=a, key="k" * 251, value=1, timestamp=3)
    s.post("param", "runs/log-parameter", run_id=a, key="depth", value="3")
    s.post("param same", "runs/log-parameter", run_id=a, key="depth", value="3")
    s.post("param changed", "runs/log-parameter", run_id=a, key="depth", value="4")
    s.post("param empty", "runs/log-parameter", run_id=a, key="empty", value="")
    s.post("param without key", "runs/log-parameter", run_id=a, value="3")
    s.post("param number", "runs/log-parameter", run_id=a, key="number", value=3)
    s.post("param of missing", "runs/log-parameter", run_id="0" * 32, key="a", value="b")
    s.post("tag", "runs/set-tag", run_id=a, key="note", value="hello")
    s.post("tag changed", "runs/set-tag", run_id=a, key="note", value="hallo")
    s.post("tag without key", "runs/set-tag", run_id=a, value="v")
    s.post("tag run name", "runs/set-tag", run_id=b, key="mlflow.runName", value="zweiter")
    s.get("run get renamed by tag", "runs/get", run_id=b)
    s.post("tag delete", "runs/delete-tag", run_id=a, key="note")
    s.post("tag delete again", "runs/delete-tag", run_id=a, key="note")
    s.post("tag delete of missing", "runs/delete-tag", run_id="0" * 32, key="note")
    s.post("tag delete run name", "runs/delete-tag", run_id=b, key="mlflow.runName")
    s.get("run get unnamed", "runs/get", run_id=b)
    s.post("batch", "runs/log-batch", run_id=b,
           metrics=[{"key": "auc", "value": 0.9, "timestamp": 5, "step": 0}, {"key": "loss", "value": 2, "timestamp": 5}],
           params=[{"key": "depth", "value": "7"}], tags=[{"key": "batch", "value": "yes"}])
    s.post("batch empty", "runs/log-batch", run_id=b)
    s.post("batch without run", "runs/log-batch", metrics=[])
    s.post("batch of missing", "runs/log-batch", run_id="0" * 32, tags=[{"key": "a", "value": "b"}])
    s.post("batch param twice", "runs/log-batch", run_id=b, params=[{"key": "p", "value": "1"}, {"key": "p", "value": "2"}])
    s.post("batch param same twice", "runs/log-batch", run_id=b, params=[{"key": "q", "value": "1"}, {"key": "q", "value": "1"}])
    s.post("batch param changed", "runs/log-batch", run_id=b, params=[{"key": "depth", "value": "8"}])
    s.post("batch too many metrics", "runs/log-batch", run_id=b, metrics=[{"key": f"m{i}", "value": 1, "timestamp": 1, "step": 0} for i in range(1001)])
    s.post("batch too many params", "runs/log-batch", run_id=b, params=[{"key": f"m{i}", "value": "1"} for i in range(101)])
    s.post("batch too many tags", "runs/log-batch", run_id=b, tags=[{"key": f"m{i}", "value": "1"} for i in range(101)])
    s.post("batch too many in all", "runs/log-batch", run_id=b, metrics=[{"key": f"m{i}", "value": 1, "timestamp": 1, "step": 0} for i in range(950)],
           params=[{"key": f"m{i}", "value": "1"} for i in range(51)])
    s.post("batch metric without key", "runs/log-batch", run_id=b, metrics=[{"value": 1, "timestamp": 1, "step": 0}])
    s.post("batch metric without value", "runs/log-batch", run_id=b, metrics=[{"key": "x", "timestamp": 1, "step": 0}])
    s.post("batch with metrics that are none", "runs/log-batch", run_id=b, metrics=7)
    s.post("batch with a tag that is none", "runs/log-batch", run_id=b, tags=["x"])
    s.get("run get with data", "runs/get", run_id=a)
    s.get("run get with batch", "runs/get", run_id=b)

    s.get("history", "metrics/get-history", run_id=a, metric_key="auc")
    s.get("history missing metric", "metrics/get-history", run_id=a, metric_key="none")
    s.get("history missing run", "metrics/get-history", run_id="0" * 32, metric_key="auc")
    s.get("history without metric", "metrics/get-history", run_id=a)
    page = s.get("history page 1", "metrics/get-history", run_id=a, metric_key="auc", max_results=2)
    s.get("history page 2", "metrics/get-history", run_id=a, metric_key="auc", max_results=2, page_token=page.get("next_page_token", ""))
    s.get("history at zero", "metrics/get-history", run_id=a, metric_key="auc", max_results=0)
    s.get("history bad token", "metrics/get-history", run_id=a, metric_key="auc", max_results=2, page_token="%%%")
    s.get("history NaN", "metrics/get-history", run_id=a, metric_key="nan")
    s.get("history inf", "metrics/get-history", run_id=a, metric_key="inf")

    data = {"name": "table", "digest": "abc", "source_type": "local", "source": "{}", "schema": "{}", "profile": "{}"}
    s.post("inputs", "runs/log-inputs", run_id=a, datasets=[{"dataset": data, "tags": [{"key": "mlflow.data.context", "value": "train"}]}])
    s.post("inputs again", "runs/log-inputs", run_id=a, datasets=[{"dataset": data, "tags": [{"key": "mlflow.data.context", "value": "test"}]}])
    s.post("inputs of two", "runs/log-inputs", run_id=b, datasets=[{"dataset": data}, {"dataset": {"name": "t2", "digest": "d2", "source_type": "http", "source": "u"}}])
    s.post("inputs empty", "runs/log-inputs", run_id=a)
    s.post("inputs of missing", "runs/log-inputs", run_id="0" * 32, datasets=[{"dataset": data}])
    s.post("inputs with long digest", "runs/log-inputs", run_id=a, datasets=[{"dataset": {**data, "digest": "d" * 37}}])
    s.get("run get with inputs", "runs/get", run_id=a)
    s.get("run get with two inputs", "runs/get", run_id=b)

    def search(label, **body):
        return s.post(label, "runs/search", experiment_ids=[one], **body)

    search("run search")
    s.post("run search nowhere", "runs/search")
    s.post("run search in missing", "runs/search", experiment_ids=["99999"])
    search("run search at zero", max_results=0)
    search("run search beyond limit", max_results=50001)
    search("run search odd view", run_view_type="SOME")
    search("run search bad token", page_token="???")
    page = search("run page 1", max_results=1, order_by=["start_time ASC"])
    search("run page 2", max_results=1, order_by=["start_time ASC"], page_token=page.get("next_page_token"))
    for number, text in enumerate([
        "metrics.auc > 0.8", "metrics.auc >= 0.75", "metric.auc = 0.75", "metrics.auc != 0.75", "metrics.`val/auc` = 1", "metrics.auc < 1e-3", "metrics.loss = 2.0",
        'metrics."auc" > 0', "metrics.auc > -1", "metrics.auc = '0.75'", "metrics.auc LIKE '0%'", "metrics.auc IN (1)", "metrics.auc IS NULL",
        "params.depth = '3'", "param.depth != '3'", "parameters.depth LIKE '%'", "params.depth ILIKE '3'", "params.depth = 3", "params.depth > '3'", "params.depth IN ('3','7')",
        "params.depth IS NULL", "params.depth IS NOT NULL", "params.nothing IS NULL", "params.empty = ''",
        "tags.colour = 'red'", "tag.colour != 'red'", "tags.colour LIKE 'g%'", "tags.colour ILIKE 'R_D'", "tags.`colour` = 'red'", "tags.colour = \"red\"", "tags.colour IS NULL", "tags.colour IS NOT NULL", "tags.colour = 1",
        "tags.mlflow.user = 'ada'", "tags.`mlflow.user` = 'ada'", "tags.colour IN ('red')",
        "attributes.status = 'FINISHED'", "attribute.status = 'RUNNING'", "attr.status != 'RUNNING'", "status = 'FINISHED'", "run.status = 'FINISHED'", "attributes.start_time > 1500", "start_time <= 2000",
        "attributes.end_time = 4000", "created > 0", "attributes.run_name = 'renamed'", "attributes.`run name` = 'renamed'", "run_name LIKE 'ren%'", "attributes.user_id = 'ada'", "user_id = 'ada'",
        f"attributes.run_id = '{a}'", f"run_id IN ('{a}', '{b}')", f"attributes.run_id NOT IN ('{a}')", "status IN ('FINISHED')", "attributes.artifact_uri LIKE '%artifacts'", "attributes.start_time = '5'", "start_time LIKE '1%'", "attributes.experiment_id = '1'", "attributes.lifecycle_stage = 'active'",
        "datasets.name = 'table'", "dataset.digest = 'abc'", "datasets.context = 'train'", "datasets.name LIKE 't%'", "datasets.name IN ('table', 't2')", "datasets.name NOT IN ('table')", "datasets.name != 'table'", "datasets.source = 'x'", "datasets.name = 1", "datasets.name > 'a'",
        "metrics.auc > 0.1 AND params.depth = '7' AND tags.colour = 'green'", "metrics.auc > 0.1 and status = 'RUNNING'", "metrics.auc > 0.1 OR params.depth = '7'", "(metrics.auc > 0.1)", "metrics.auc > 0.1 params.depth = '7'",
        "metrics.auc", "metrics.auc >", "= 1", "colours.red = 'x'", "tags.colour = red", "tags.colour = 'red", "tags.it = 'it''s'", "auc > 1", "metrics.auc = abc", "AND", "metrics.auc > 0 AND", "metrics.auc > 0; metrics.auc < 5", "tags.colour == 'red'", "tags.colour <> 'red'", "tags.colour like 'r%'", "not tags.colour = 'red'", "metrics.auc BETWEEN 0 AND 1", "metrics.auc > 0 -- comment", "  ", "tags.'colour' = 'red'",
        "run_id IN ()", "run_id IN ('a'", "run_id IN 'a'", "run_id IN (1, 2)", "attributes.run_id LIKE '%'", "ATTRIBUTES.status = 'FINISHED'", "Tags.colour = 'red'", "tags.COLOUR = 'red'",
    ]):
        search(f"run filter {number}: {text.replace(a, 'A').replace(b, 'B')}", filter=text)
    for text in ["metrics.auc", "metrics.auc DESC", "metrics.`val/auc` ASC", "params.depth DESC", "tags.colour", "start_time", "attributes.start_time DESC", "end_time", "end_time DESC", "run_name", "attribute.status", "created DESC", "metrics.nan", "metrics.nan DESC",
                 "datasets.name", "nothing", "metrics.auc sideways", "", "tags.`colour` desc", "Start Time", "metrics.inf DESC"]:
        search(f"run order by {text!r}", order_by=[text])
    # What only one of them takes, where no other answer shows it.
    odd = s.post("run create odd", "runs/create", experiment_id="0", run_name="odd")
    odd = s.learn("run odd", odd["run"]["info"]["run_id"])
    s.post("metric with half a step", "runs/log-metric", run_id=odd, key="auc", value=1, timestamp=3, step=1.5)
    s.post("param too long", "runs/log-parameter", run_id=odd, key="long", value="v" * 6001)
    s.post("tag too long", "runs/set-tag", run_id=odd, key="long", value="v" * 8001)
    s.post("inputs without name", "runs/log-inputs", run_id=odd, datasets=[{"dataset": {"digest": "x", "source_type": "local", "source": "{}"}}])
    s.post("inputs without dataset", "runs/log-inputs", run_id=odd, datasets=[{"tags": []}])
    model = json.dumps({"artifact_path": "m", "flavors": {}, "utc_time_created": "now", "run_id": odd})
    s.post("log model", "runs/log-model", run_id=odd, model_json=model)
    s.post("log model bad", "runs/log-model", run_id=odd, model_json="{")
    s.post("log model lacking", "runs/log-model", run_id=odd, model_json='{"artifact_path": "m"}')
    s.post("log model nothing", "runs/log-model", run_id=odd)
    s.post("run delete", "runs/delete", run_id=c)
    s.post("run delete again", "runs/delete", run_id=c)
    s.post("run delete missing", "runs/delete", run_id="0" * 32)
    s.get("run get deleted", "runs/get", run_id=c)
    s.post("run metric on deleted", "runs/log-metric", run_id=c, key="x", value=1, timestamp=1)
    s.post("run param on deleted", "runs/log-parameter", run_id=c, key="x", value="1")
    s.post("run tag on deleted", "runs/set-tag", run_id=c, key="x", value="1")
    s.post("run update on deleted", "runs/update", run_id=c, status="FINISHED")
    s.post("run inputs on deleted", "runs/log-inputs", run_id=c, datasets=[{"dataset": data}])
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        search(f"run search {view}", run_view_type=view)
    s.post("run restore", "runs/restore", run_id=c)
    s.post("run restore again", "runs/restore", run_id=c)
    s.post("run restore missing", "runs/restore", run_id="0" * 32)


def artifacts(s):
    one = next(known for known, name in s.known.items() if name == "one")
    a = next(known for known, name in s.known.items() if name == "run a")
    root = f"{FILES}/{one}/{a}/artifacts"
    s.ask("file put", "PUT", f"{root}/model/weights.bin", b"0123456789", files=True)
    s.ask("file put again", "PUT", f"{root}/model/weights.bin", b"0123456789", files=True)
    s.ask("file put text", "PUT", f"{root}/notes.txt", b"hello")
    s.ask("file put page", "PUT", f"{root}/page.html", b"<b>hello</b>")
    s.ask("file put json", "PUT", f"{root}/data.json", b"{}")
    s.ask("file put yaml", "PUT", f"{root}/MLmodel", b"a: 1")
    s.ask("file put umlaut", "PUT", f"{root}/{urllib.parse.quote('größe 1.txt')}", b"x")
    s.ask("file put empty", "PUT", f"{root}/empty", b"")
    s.ask("file put up", "PUT", f"{root}/..%2fup.txt", b"x")
    s.ask("file put far up", "PUT", f"{FILES}/%2e%2e/%2e%2e/up.txt", b"x")
    got = s.ask("file get", "GET", f"{root}/model/weights.bin", files=True)
    for name in ("notes.txt", "page.html", "data.json", "MLmodel", urllib.parse.quote("größe 1.txt"), "empty"):
        s.ask(f"file get {name}", "GET", f"{root}/{name}", files=True)
    s.ask("file get missing", "GET", f"{root}/none.txt")
    s.ask("file get folder", "GET", f"{root}/model")
    s.ask("file head", "HEAD", f"{root}/model/weights.bin", files=True)
    s.ask("file head missing", "HEAD", f"{root}/none.bin")
    for text in ("bytes=2-4", "bytes=5-", "bytes=-3", "bytes=0-99", "bytes=10-", "bytes=20-30", "bytes=4-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"):
        s.ask(f"file range {text}", "GET", f"{root}/model/weights.bin", headers={"Range": text}, files=True)
    etag = got.get("etag") or '"none"'
    s.ask("file if none match", "GET", f"{root}/model/weights.bin", headers={"If-None-Match": etag})
    s.ask("file if none match other", "GET", f"{root}/model/weights.bin", headers={"If-None-Match": '"other"'})
    s.ask("file if none match any", "GET", f"{root}/model/weights.bin", headers={"If-None-Match": "*"})
    s.ask("file if range", "GET", f"{root}/model/weights.bin", headers={"If-Range": etag, "Range": "bytes=0-1"}, files=True)
    s.ask("file if range other", "GET", f"{root}/model/weights.bin", headers={"If-Range": '"other"', "Range": "bytes=0-1"}, files=True)
    s.ask("file list", "GET", FILES, query={"path": f"{one}/{a}/artifacts"})
    s.ask("file list folder", "GET", FILES, query={"path": f"{one}/{a}/artifacts/model"})
    s.ask("file list file", "GET", FILES, query={"path": f"{one}/{a}/artifacts/notes.txt"})
    s.ask("file list missing", "GET", FILES, query={"path": f"{one}/{a}/artifacts/none"})
    s.ask("file list up", "GET", FILES, query={"path": "../.."})
    s.ask("file list absolute", "GET", FILES, query={"path": "/etc"})
    s.ask("file list root of nothing", "GET", FILES, query={"path": ""})
    s.get("run artifacts", "artifacts/list", run_id=a)
    s.get("run artifacts by uuid", "artifacts/list", run_uuid=a)
    s.get("run artifacts folder", "artifacts/list", run_id=a, path="model")
    s.get("run artifacts missing folder", "artifacts/list", run_id=a, path="none")
    s.get("run artifacts up", "artifacts/list", run_id=a, path="../x")
    s.get("run artifacts of missing", "artifacts/list", run_id="0" * 32)
    s.get("run artifacts of nothing", "artifacts/list")
    s.ask("file delete", "DELETE", f"{root}/notes.txt", files=True)
    s.ask("file delete again", "DELETE", f"{root}/notes.txt")
    s.ask("file delete folder", "DELETE", f"{root}/model")
    s.get("run artifacts after", "artifacts/list", run_id=a)
    s.ask("file put model", "PUT", f"{root}/model/MLmodel", b"x: 1")


def models(s):
    one = next(known for known, name in s.known.items() if name == "one")
    a = next(known for known, name in s.known.items() if name == "run a")
    source = f"mlflow-artifacts:/{one}/{a}/artifacts/model"
    s.post("model create", "registered-models/create", name="churn", description="who leaves", tags=[{"key": "team", "value": "red"}])
    s.post("model create again", "registered-models/create", name="churn")
    s.post("model create nameless", "registered-models/create")
    s.post("model create empty", "registered-models/create", name="")
    s.post("model create with slash", "registered-models/create", name="a/b")
    s.post("model create with colon", "registered-models/create", name="a:b")
    s.post("model create with space", "registered-models/create", name="with space")
    s.post("model create with umlaut", "registered-models/create", name="größe")
    s.post("model create other", "registered-models/create", name="other")
    s.post("model create with tag too long", "registered-models/create", name="x", tags=[{"key": "k", "value": "v" * 100_001}])
    s.get("model get", "registered-models/get", name="churn")
    s.get("model get missing", "registered-models/get", name="none")
    s.get("model get nameless", "registered-models/get")
    s.ask("model update", "PATCH", "registered-models/update", {"name": "churn", "description": "who goes"})
    s.ask("model update missing", "PATCH", "registered-models/update", {"name": "none", "description": "x"})
    s.ask("model update to nothing", "PATCH", "registered-models/update", {"name": "other"})
    s.post("model tag", "registered-models/set-tag", name="churn", key="k", value="v")
    s.post("model tag keyless", "registered-models/set-tag", name="churn", value="v")
    s.post("model tag of missing", "registered-models/set-tag", name="none", key="k", value="v")
    s.post("model tag too long", "registered-models/set-tag", name="churn", key="k", value="v" * 100_001)
    s.post("model tag long key", "registered-models/set-tag", name="churn", key="k" * 251, value="v")
    s.ask("model tag delete", "DELETE", "registered-models/delete-tag", {"name": "churn", "key": "k"})
    s.ask("model tag delete again", "DELETE", "registered-models/delete-tag", {"name": "churn", "key": "k"})
    s.ask("model tag delete of missing", "DELETE", "registered-models/delete-tag", {"name": "none", "key": "k"})

    s.post("version create", "model-versions/create", name="churn", source=source, run_id=a, description="first", run_link="http://x", tags=[{"key": "t", "value": "1"}])
    s.post("version create 2", "model-versions/create", name="churn", source=source, run_id=a)
    s.post("version create 3", "model-versions/create", name="churn", source="s3://bucket/model")
    s.post("version create by runs", "model-versions/create", name="churn", source=f"runs:/{a}/model", run_id=a)
    s.post("version create by models", "model-versions/create", name="other", source="models:/churn/1")
    s.post("version create by missing models", "model-versions/create", name="other", source="models:/churn/77")
    s.post("version create local", "model-versions/create", name="churn", source="/etc/passwd")
    s.post("version create file", "model-versions/create", name="churn", source="file:///etc/passwd")
    s.post("version create up", "model-versions/create", name="churn", source=f"mlflow-artifacts:/{one}/{a}/artifacts/../../x", run_id=a)
    s.post("version create up encoded", "model-versions/create", name="churn", source=f"mlflow-artifacts:/{one}/{a}/artifacts/%2e%2e/x", run_id=a)
    s.post("version create http", "model-versions/create", name="churn", source="http://example.com/m")
    s.post("version create sourceless", "model-versions/create", name="churn")
    s.post("version create nameless", "model-versions/create", source=source)
    s.post("version create of missing", "model-versions/create", name="none", source="s3://b/m")
    s.get("version get", "model-versions/get", name="churn", version="1")
    s.get("version get missing", "model-versions/get", name="churn", version="99")
    s.get("version get of missing", "model-versions/get", name="none", version="1")
    s.get("version get odd", "model-versions/get", name="churn", version="one")
    s.get("version get without number", "model-versions/get", name="churn")
    s.get("version download", "model-versions/get-download-uri", name="churn", version="3")
    s.get("version download missing", "model-versions/get-download-uri", name="churn", version="99")
    s.get("version download odd", "model-versions/get-download-uri", name="churn", version="x")
    s.ask("version update", "PATCH", "model-versions/update", {"name": "churn", "version": "2", "description": "second"})
    s.ask("version update missing", "PATCH", "model-versions/update", {"name": "churn", "version": "99", "description": "x"})
    s.post("version tag", "model-versions/set-tag", name="churn", version="2", key="k", value="v")
    s.post("version tag missing", "model-versions/set-tag", name="churn", version="99", key="k", value="v")
    s.post("version tag keyless", "model-versions/set-tag", name="churn", version="2", value="v")
    s.post("version tag too long", "model-versions/set-tag", name="churn", version="2", key="k", value="v" * 100_001)
    s.ask("version tag delete", "DELETE", "model-versions/delete-tag", {"name": "churn", "version": "2", "key": "k"})
    s.ask("version tag delete again", "DELETE", "model-versions/delete-tag", {"name": "churn", "version": "2", "key": "k"})

    s.post("alias set", "registered-models/alias", name="churn", alias="production", version="1")
    s.post("alias set again", "registered-models/alias", name="churn", alias="production", version="2")
    s.post("alias set upper", "registered-models/alias", name="churn", alias="Production_1-x", version="2")
    s.post("alias latest", "registered-models/alias", name="churn", alias="latest", version="1")
    s.post("alias v1", "registered-models/alias", name="churn", alias="v1", version="1")
    s.post("alias odd", "registered-models/alias", name="churn", alias="a b", version="1")
    s.post("alias long", "registered-models/alias", name="churn", alias="a" * 256, version="1")
    s.post("alias empty", "registered-models/alias", name="churn", alias="", version="1")
    s.post("alias to missing", "registered-models/alias", name="churn", alias="staging", version="99")
    s.post("alias to odd", "registered-models/alias", name="churn", alias="staging", version="x")
    s.post("alias of missing", "registered-models/alias", name="none", alias="staging", version="1")
    s.post("alias without version", "registered-models/alias", name="churn", alias="staging")
    s.get("alias get", "registered-models/alias", name="churn", alias="production")
    s.get("alias get missing", "registered-models/alias", name="churn", alias="none")
    s.get("alias get of missing", "registered-models/alias", name="none", alias="production")
    s.get("alias get nameless", "registered-models/alias", alias="production")
    s.get("model get with aliases", "registered-models/get", name="churn")
    s.ask("alias delete", "DELETE", "registered-models/alias", {"name": "churn", "alias": "Production_1-x"})
    s.ask("alias delete again", "DELETE", "registered-models/alias", {"name": "churn", "alias": "Production_1-x"})
    s.ask("alias delete of missing", "DELETE", "registered-models/alias", {"name": "none", "alias": "x"})

    s.post("stage", "model-versions/transition-stage", name="churn", version="1", stage="Production", archive_existing_versions=False)
    s.post("stage lower", "model-versions/transition-stage", name="churn", version="2", stage="staging", archive_existing_versions=False)
    s.post("stage odd", "model-versions/transition-stage", name="churn", version="2", stage="Dancing", archive_existing_versions=False)
    s.post("stage archiving", "model-versions/transition-stage", name="churn", version="3", stage="Production", archive_existing_versions=True)
    s.post("stage none archiving", "model-versions/transition-stage", name="churn", version="3", stage="None", archive_existing_versions=True)
    s.post("stage missing", "model-versions/transition-stage", name="churn", version="99", stage="Staging", archive_existing_versions=False)
    s.post("stage nowhere", "model-versions/transition-stage", name="churn", version="1", archive_existing_versions=False)
    s.post("stage without archive", "model-versions/transition-stage", name="churn", version="3", stage="Production")
    s.get("version get archived", "model-versions/get", name="churn", version="1")
    s.post("latest", "registered-models/get-latest-versions", name="churn")
    s.post("latest of stage", "registered-models/get-latest-versions", name="churn", stages=["Production"])
    s.post("latest of stage lower", "registered-models/get-latest-versions", name="churn", stages=["production", "None"])
    s.post("latest of odd stage", "registered-models/get-latest-versions", name="churn", stages=["Dancing"])
    s.post("latest of missing", "registered-models/get-latest-versions", name="none")
    s.get("latest by get", "registered-models/get-latest-versions", name="churn")
    s.get("model get with stages", "registered-models/get", name="churn")

    def search(label, **query):
        return s.get(label, "model-versions/search", **query)

    search("version search")
    search("version search at zero", max_results=0)
    search("version search beyond limit", max_results=200_001)
    search("version search odd limit", max_results="many")
    search("version search bad token", page_token="???")
    page = search("version page 1", max_results=2, order_by=["name ASC", "version_number ASC"])
    search("version page 2", max_results=2, order_by=["name ASC", "version_number ASC"], page_token=page.get("next_page_token", ""))
    for number, text in enumerate([
        "name = 'churn'", "name='churn'", "name LIKE 'ch%'", "name ILIKE 'CH%'", "name != 'churn'", "name IN ('churn','other')", f"run_id = '{a}'", f"run_id IN ('{a}')", "run_id IN ()", "run_id = ''", "source_path = 's3://bucket/model'", "source_path LIKE 's3%'", "version_number = 1", "version_number > 1", "version_number = '1'", "version_number IN (1,2)", "version = 1",
        "tags.t = '1'", "tag.t = '1'", "tags.`t` = '1'", "tags.t LIKE '%'", "tags.t != '2'", "tags.`mlflow.prompt.is_prompt` != 'true'", "tags.`mlflow.prompt.is_prompt` = 'false'", "tags.t > '0'", "attribute.name = 'churn'", "attributes.name = 'churn'", "stage = 'x'", "name = churn", "name", "name = 'churn' AND tags.t = '1'", "name = 'churn' OR name = 'other'", "name > 'a'", "creation_timestamp > 0", "metrics.a > 1", "tags.t IS NULL", "run_id NOT IN ('x')",
    ]):
        search(f"version filter {number}: {text.replace(a, 'A')}", filter=text, order_by=["name ASC", "version_number ASC"])
    for text in ["name", "version_number DESC", "creation_timestamp", "last_updated_timestamp DESC", "tags.t", "source_path", "nothing", "name sideways", "version", "timestamp"]:
        search(f"version order by {text}", order_by=[text, "name", "version_number"])

    def find(label, **query):
        return s.get(label, "registered-models/search", **query)

    find("model search")
    find("model search at zero", max_results=0)
    find("model search beyond limit", max_results=1001)
    find("model search bad token", page_token="???")
    page = find("model page 1", max_results=1)
    find("model page 2", max_results=1, page_token=page.get("next_page_token", ""))
    for number, text in enumerate([
        "name = 'churn'", "name LIKE '%h%'", "name ILIKE 'CH%'", "name != 'churn'", "name IN ('churn')", "name NOT IN ('churn')", "tags.team = 'red'", "tags.team != 'red'", "tag.`team` LIKE 'r%'", "tags.`mlflow.prompt.is_prompt` != 'true'", "tags.`mlflow.prompt.is_prompt` = 'false'", "tags.`mlflow.prompt.is_prompt` = 'true'", "attribute.name = 'churn'", "name > 'a'", "description = 'x'", "name = 'churn' AND tags.team = 'red'", "creation_timestamp > 0", "name", "name = churn", "tags.team IS NULL", "name like 'ch%'",
    ]):
        find(f"model filter {number}: {text}", filter=text)
    for text in ["name DESC", "timestamp DESC", "last_updated_timestamp", "creation_timestamp ASC", "tags.team", "nothing", "name sideways", "timestamp ASC", "timestamp"]:
        find(f"model order by {text}", order_by=[text, "name"])
    find("model order by two", order_by=["name ASC", "timestamp DESC"])

    s.post("rename", "registered-models/rename", name="other", new_name="another")
    s.post("rename missing", "registered-models/rename", name="other", new_name="x")
    s.post("rename to taken", "registered-models/rename", name="another", new_name="churn")
    s.post("rename to nothing", "registered-models/rename", name="another")
    s.post("rename to odd", "registered-models/rename", name="another", new_name="a/b")
    s.post("rename to itself", "registered-models/rename", name="another", new_name="another")
    s.get("model get renamed", "registered-models/get", name="another")
    s.get("version get renamed", "model-versions/get", name="another", version="1")
    s.ask("version delete", "DELETE", "model-versions/delete", {"name": "churn", "version": "4"})
    s.ask("version delete again", "DELETE", "model-versions/delete", {"name": "churn", "version": "4"})
    s.get("version get deleted", "model-versions/get", name="churn", version="4")
    s.post("version create after delete", "model-versions/create", name="churn", source="s3://bucket/model")
    s.ask("version delete with alias", "DELETE", "model-versions/delete", {"name": "churn", "version": "2"})
    s.post("model create lenient", "registered-models/create", name="lenient")
    s.post("version create lenient", "model-versions/create", name="lenient", source="s3://bucket/model")
    s.post("version create without run", "model-versions/create", name="lenient", source=source)
    s.post("version create with other run", "model-versions/create", name="lenient", source=source, run_id="0" * 32)
    s.post("alias dotted", "registered-models/alias", name="lenient", alias="a.b", version="1")
    s.ask("model delete", "DELETE", "registered-models/delete", {"name": "another"})
    s.ask("model delete missing", "DELETE", "registered-models/delete", {"name": "another"})
    s.ask("model delete nameless", "DELETE", "registered-models/delete", {})


def logged_models(s):
    one = next(known for known, name in s.known.items() if name == "one")
    a = next(known for known, name in s.known.items() if name == "run a")
    b = next(known for known, name in s.known.items() if name == "run b")
    made = s.post("logged create", "logged-models", experiment_id=one, name="net", source_run_id=a, model_type="Agent",
                  params=[{"key": "lr", "value": "0.1"}], tags=[{"key": "t", "value": "1"}])
    m = s.learn("logged m", made["model"]["info"]["model_id"])
    made = s.post("logged create 2", "logged-models", experiment_id=one, name="tree", source_run_id=b)
    n = s.learn("logged n", made["model"]["info"]["model_id"])
    s.post("logged create nowhere", "logged-models", name="net")
    s.post("logged create in missing", "logged-models", name="net", experiment_id="99999")
    s.post("logged create with slash", "logged-models", name="a/b", experiment_id=one)
    s.post("logged create with colon", "logged-models", name="a:b", experiment_id=one)
    s.get("logged get", f"logged-models/{m}")
    s.get("logged get missing", "logged-models/m-00000000000000000000000000000000")
    s.ask("logged finalize", "PATCH", f"logged-models/{m}", {"model_id": m, "status": "LOGGED_MODEL_READY"})
    s.ask("logged finalize by number", "PATCH", f"logged-models/{n}", {"model_id": n, "status": 2})
    s.ask("logged finalize nothing", "PATCH", f"logged-models/{n}", {"model_id": n})
    s.ask("logged finalize missing", "PATCH", "logged-models/m-0", {"model_id": "m-0", "status": "LOGGED_MODEL_READY"})
    s.ask("logged tags", "PATCH", f"logged-models/{m}/tags", {"tags": [{"key": "u", "value": "2"}, {"key": "t", "value": "3"}]})
    s.ask("logged tags missing", "PATCH", "logged-models/m-0/tags", {"tags": [{"key": "u", "value": "2"}]})
    s.ask("logged tag delete", "DELETE", f"logged-models/{m}/tags/u")
    s.ask("logged tag delete again", "DELETE", f"logged-models/{m}/tags/u")
    s.ask("logged tag delete missing", "DELETE", "logged-models/m-0/tags/u")
    s.post("logged params", f"logged-models/{m}/params", model_id=m, params=[{"key": "depth", "value": "3"}])
    s.post("logged params changed", f"logged-models/{m}/params", model_id=m, params=[{"key": "depth", "value": "4"}])
    s.post("logged params missing", "logged-models/m-0/params", model_id="m-0", params=[{"key": "depth", "value": "4"}])
    s.post("outputs", "runs/outputs", run_id=a, models=[{"model_id": m, "step": 0}])
    s.post("outputs none", "runs/outputs", run_id=a)
    s.post("outputs of missing", "runs/outputs", run_id="0" * 32, models=[{"model_id": m, "step": 0}])
    s.post("inputs model", "runs/log-inputs", run_id=b, models=[{"model_id": m}])
    s.get("run get with outputs", "runs/get", run_id=a)
    s.get("run get with model input", "runs/get", run_id=b)
    s.post("logged metric", "runs/log-metric", run_id=a, key="f1", value=0.5, timestamp=1, step=0, model_id=m, dataset_name="table", dataset_digest="abc")
    s.post("logged metric later", "runs/log-metric", run_id=a, key="f1", value=0.7, timestamp=2, step=1, model_id=m)
    s.post("logged metric batch", "runs/log-batch", run_id=b, metrics=[{"key": "f1", "value": 0.2, "timestamp": 1, "step": 0, "model_id": n}, {"key": "auc", "value": 0.3, "timestamp": 1, "step": 0, "model_id": n}])
    s.get("logged get with all", f"logged-models/{m}")
    s.get("logged run with metric", "runs/get", run_id=a)
    s.get("logged history", "metrics/get-history", run_id=a, metric_key="f1")

    root = f"{FILES}/{one}/models/{m}/artifacts"
    s.ask("logged file put", "PUT", f"{root}/MLmodel", b"x: 1")
    s.ask("logged file put deep", "PUT", f"{root}/data/w.bin", b"01")
    s.get("logged artifacts", f"logged-models/{m}/artifacts/directories")
    s.get("logged artifacts folder", f"logged-models/{m}/artifacts/directories", artifact_directory_path="data")
    s.get("logged artifacts up", f"logged-models/{m}/artifacts/directories", artifact_directory_path="../x")
    s.get("logged artifacts missing", "logged-models/m-0/artifacts/directories")
    s.post("logged version", "model-versions/create", name="churn", source=f"models:/{m}", model_id=m, run_id=a)
    s.get("logged get registered", f"logged-models/{m}")

    def search(label, **body):
        return s.post(label, "logged-models/search", experiment_ids=[one], **body)

    search("logged search")
    s.post("logged search nowhere", "logged-models/search")
    search("logged search at zero", max_results=0)
    search("logged search beyond limit", max_results=1001)
    search("logged search bad token", page_token="???")
    page = search("logged page 1", max_results=1, order_by=[{"field_name": "name"}])
    search("logged page 2", max_results=1, order_by=[{"field_name": "name"}], page_token=page.get("next_page_token"))
    for number, text in enumerate([
        "name = 'net'", "attributes.name = 'net'", "attribute.name = 'net'", "name LIKE 'n%'", "name ILIKE 'N%'", "name IN ('net','x')", "name NOT IN ('net')", f"model_id = '{m}'", "model_type = 'Agent'", "status = 'READY'", "status = 'LOGGED_MODEL_READY'", f"source_run_id = '{a}'", "creation_timestamp > 0", "creation_time > 0", "last_updated_timestamp > 0", "params.lr = '0.1'", "params.lr LIKE '0%'", "params.depth IN ('3')", "tags.t = '3'", "tags.`t` = '3'", "metrics.f1 > 0.4", "metrics.f1 > 0.6", "metrics.`f1` < 0.4", "metrics.f1 = 'x'", "metrics.f1 LIKE '1'", "name > 'a'", "nothing = 'x'", "colours.red = 'x'", "name = 'net' AND params.lr = '0.1'", "name = 'net' OR name = 'x'", "name", "name = net", "tags.t IS NULL", "experiment_id = '1'",
    ]):
        search(f"logged filter {number}: {text.replace(a, 'A').replace(m, 'M')}", filter=text, order_by=[{"field_name": "name", "ascending": True}])
    for field in ["name", "creation_time", "creation_timestamp", "last_updated_timestamp", "metrics.f1", "params.lr", "nothing", "status", "metrics.auc", "attributes.name"]:
        for ascending in (True, False):
            search(f"logged order by {field} {ascending}", order_by=[{"field_name": field, "ascending": ascending}])
    search("logged order of data", order_by=[{"field_name": "metrics.f1", "dataset_name": "table", "dataset_digest": "abc"}])
    search("logged order of digest alone", order_by=[{"field_name": "metrics.f1", "dataset_digest": "abc"}])
    search("logged order nameless", order_by=[{"ascending": True}])
    search("logged of data", datasets=[{"dataset_name": "table", "dataset_digest": "abc"}])
    search("logged of data and metric", datasets=[{"dataset_name": "table"}], filter="metrics.f1 > 0.4")
    search("logged of other data", datasets=[{"dataset_name": "none"}])
    s.ask("logged finalize odd", "PATCH", f"logged-models/{n}", {"model_id": n, "status": "DANCING"})
    s.ask("logged delete", "DELETE", f"logged-models/{n}")
    s.ask("logged delete again", "DELETE", f"logged-models/{n}")
    s.ask("logged delete missing", "DELETE", "logged-models/m-0")
    s.get("logged get deleted", f"logged-models/{n}")
    search("logged search after delete")
    s.get("logged get deleted allowed", f"logged-models/{n}", allow_deleted="true")
    s.post("logged version without id", "model-versions/create", name="lenient", source=f"models:/{m}")


def odds(s):
    s.get("health", "/health")
    s.get("no route", "nothing/here")
    s.post("no route post", "nothing/here")
    s.get("no route outside", "/nothing")
    s.get("wrong method", "runs/create")
    s.ask("wrong method put", "PUT", "runs/search", {})
    s.ask("bad json", "POST", "runs/create", b"{", headers={"Content-Type": "application/json"})
    s.ask("bad json list", "POST", "experiments/search", b"[]", headers={"Content-Type": "application/json"})
    s.ask("bad json twice encoded", "POST", "experiments/search", json.dumps(json.dumps({"max_results": 1})).encode(), headers={"Content-Type": "application/json"})
    s.ask("no body", "POST", "experiments/create", headers={"Content-Type": "application/json"})
    s.ask("other content type", "POST", "experiments/create", b'{"name": "typed"}', headers={"Content-Type": "text/plain"})
    s.ask("no content type", "POST", "experiments/create", b'{"name": "untyped"}')
    s.post("camel case", "experiments/search", maxResults=1)


def difference(label, ours, theirs):
    """How two plain answers differ, in a few words; empty where they don't."""
    if ours["status"] != theirs["status"]:
        return f"status {theirs['status']}, ours {ours['status']}: {short(theirs['body'])} / {short(ours['body'])}"
    if ours.get("headers") != theirs.get("headers"):
        return f"headers {theirs['headers']}, ours {ours['headers']}"
    bodies = theirs["body"], ours["body"]
    if OWN_WORDS.fullmatch(label) and all(isinstance(body, dict) and "error_code" in body for body in bodies):
        bodies = tuple(body["error_code"] for body in bodies)
    if bodies[0] != bodies[1]:
        return f"body {short(bodies[0])}\n      ours {short(bodies[1])}"
    return ""


def short(value):
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) < 1500 else text[:1500] + "…"


def sets_as_words(value):
    """Python prints its sets in any order: `{'a', 'b'}` and `{'b', 'a'}` are one."""
    if isinstance(value, dict):
        return {key: sets_as_words(held) for key, held in value.items()}
    if isinstance(value, str) and "{'" in value:
        return re.sub(r"\{('[^{}]*)\}?'?", lambda found: "{" + ", ".join(sorted(re.findall(r"'[^']*'", found.group(1)))) + "}", value)
    return value


def main():
    reference, ours = Server(sys.argv[1]), Server(sys.argv[2])
    for scenario in (experiments, runs, artifacts, models, logged_models, odds):
        for server in (reference, ours):
            scenario(server)
    unexpected, expected, used = [], 0, set()
    for label, theirs in reference.answers.items():
        plain = [{**said, "body": sets_as_words(server.plain(said["body"]))} for server, said in ((ours, ours.answers[label]), (reference, theirs))]
        found = difference(label, *plain)
        purpose = next((pattern for pattern in ON_PURPOSE if re.fullmatch(pattern, label)), None)
        if found and purpose:
            expected += 1
            used.add(purpose)
        elif found:
            unexpected.append(f"{label}\n      {found}")
    unexpected += [f"{pattern}\n      is said to differ, and doesn't: {ON_PURPOSE[pattern]}" for pattern in sorted(set(ON_PURPOSE) - used)]
    for line in unexpected:
        print(line)
    print(f"{len(reference.answers)} requests, {expected} answers differ on purpose, {len(unexpected)} otherwise")
    sys.exit(bool(unexpected))


if __name__ == "__main__":
    main()
