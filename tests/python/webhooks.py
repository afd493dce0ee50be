"""The webhooks of an unmodified MLflow client against the server of MLFLOW_TRACKING_URI.

Ends with 0 if every step held. The server must be allowed to deliver to this machine over HTTP.
"""

import base64
import hashlib
import hmac
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

SECRET = "a secret of ours"
received = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        signed = f"{self.headers['X-MLflow-Delivery-Id']}.{self.headers['X-MLflow-Timestamp']}.{body}"
        digest = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        good = hmac.compare_digest(expected, self.headers["X-MLflow-Signature"])
        received.put((good, json.loads(body)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"thanks")

    def log_message(self, *_):
        pass


def next_event():
    good, payload = received.get(timeout=60)
    assert good, f"the signature of {payload} is wrong"
    return f"{payload['entity']}.{payload['action']}", payload["data"]


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    client = MlflowClient()

    events = [
        WebhookEvent.from_str("registered_model.created"),
        "model_version.created",
        "model_version_tag.set",
        "model_version_tag.deleted",
        "model_version_alias.created",
        "model_version_alias.deleted",
    ]
    made = client.create_webhook(
        name="ci", url=url, events=events, description="for CI", secret=SECRET
    )
    assert made.status == WebhookStatus.ACTIVE and made.secret is None, made
    assert {str(event) for event in made.events} == {str(event) for event in events}, made.events
    assert client.get_webhook(made.webhook_id).description == "for CI"
    assert [hook.webhook_id for hook in client.list_webhooks()] == [made.webhook_id]

    result = client.test_webhook(made.webhook_id)
    assert result.success and result.response_status == 200, result
    assert result.response_body == "thanks", result
    assert next_event()[0] == "registered_model.created"
    assert client.test_webhook(made.webhook_id, event="model_version_alias.created").success
    assert next_event()[1] == {"name": "example_model", "alias": "example_alias", "version": "1"}

    client.create_registered_model("churn", tags={"team": "growth"}, description="who leaves")
    assert next_event() == (
        "registered_model.created",
        {"name": "churn", "tags": {"team": "growth"}, "description": "who leaves"},
    )
    run = client.create_run("0")
    client.log_dict(run.info.run_id, {"weights": [1]}, "model/weights.json")
    source = f"{run.info.artifact_uri}/model"
    client.create_model_version("churn", source, run.info.run_id, tags={"a": "b"})
    event, data = next_event()
    assert event == "model_version.created", event
    assert (data["version"], data["source"], data["tags"]) == ("1", source, {"a": "b"}), data
    assert data["run_id"] == run.info.run_id and data["description"] is None, data
    client.set_model_version_tag("churn", "1", "k", "v")
    tag = {"name": "churn", "version": "1", "key": "k"}
    assert next_event() == ("model_version_tag.set", {**tag, "value": "v"})
    client.delete_model_version_tag("churn", "1", "k")
    assert next_event() == ("model_version_tag.deleted", tag)
    client.set_registered_model_alias("churn", "production", "1")
    alias = {"name": "churn", "alias": "production"}
    assert next_event() == ("model_version_alias.created", {**alias, "version": "1"})
    client.delete_registered_model_alias("churn", "production")
    assert next_event() == ("model_version_alias.deleted", alias)

    changed = client.update_webhook(
        made.webhook_id, name="cd", status="DISABLED", events=["model_version.created"]
    )
    assert (changed.name, changed.status) == ("cd", WebhookStatus.DISABLED), changed
    assert [str(event) for event in changed.events] == ["model_version.created"], changed.events
    client.delete_webhook(made.webhook_id)
    assert list(client.list_webhooks()) == []

    for code, attempt in [
        ("RESOURCE_DOES_NOT_EXIST", lambda: client.get_webhook(made.webhook_id)),
        ("INVALID_PARAMETER_VALUE", lambda: client.create_webhook("-", url, events)),
        ("INVALID_PARAMETER_VALUE", lambda: client.create_webhook("p", url, ["prompt.created"])),
        (
            "INVALID_PARAMETER_VALUE",
            lambda: client.create_webhook("m", "http://169.254.169.254/", events),
        ),
    ]:
        try:
            attempt()
        except MlflowException as error:
            assert error.error_code == code, error
        else:
            raise AssertionError(f"{code} was to be raised")


main()
