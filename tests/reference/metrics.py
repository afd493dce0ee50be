#!/usr/bin/env python3
"""Makes metrics.json: inputs, and what other people's code says of them, for src/metrics/references.rs.

  python tests/reference/metrics.py SCORERS > tests/reference/metrics.json

SCORERS is the folder of the independent scoring scripts (score_classification.py, score_forecast.py,
score_ranking.py). Needs numpy, pandas and scikit-learn. Each case holds its inputs, and by metric the
value and whose it is: "sklearn", "scorer", or a formula written out below where neither has it.
Tied scores, absent classes, unbalanced classes, probabilities of exactly 0 and 1, zero targets and
queries with nothing relevant are there on purpose."""
import json
import sys

import numpy as np
from sklearn import metrics as sk

sys.path.insert(0, sys.argv[1])
import score_classification
import score_forecast
import score_ranking

rng = np.random.default_rng(20)


def number(value):
    return None if value is None or not np.isfinite(value) else float(value)


def classification(name, labels, P, positive=None):
    """`positive` is the class index whose probability ranks the rows of a two-class case."""
    labels, P = np.asarray(labels), np.asarray(P, float)
    width = P.shape[1]
    classes = [str(k) for k in range(width)]
    top = P.argmax(1)
    present = sorted(set(labels.tolist()))
    said = {
        "accuracy": {"sklearn": sk.accuracy_score(labels, top)},
        "balanced_accuracy": {"sklearn": sk.balanced_accuracy_score(labels, top)},
        "macro_f1": {"sklearn": sk.f1_score(labels, top, labels=present, average="macro", zero_division=0)},
    }
    if len(present) == width:
        scored = score_classification.score(
            [classes[k] for k in labels], classes, P, None, classes[positive] if positive is not None else None)
        for ours, theirs in [("accuracy",) * 2, ("balanced_accuracy",) * 2, ("macro_f1",) * 2, ("logloss",) * 2,
                             ("brier",) * 2, ("ece", "ece15"), ("auc",) * 2]:
            said.setdefault(ours, {})["scorer"] = scored[theirs]
        if positive is not None:
            said["average_precision"] = {"scorer": scored["average_precision"]}
        inside = (P > 1e-15).all()
        if inside:  # scikit-learn clips at the machine's epsilon, we at 1e-15
            said["logloss"]["sklearn"] = sk.log_loss(labels, P, labels=list(range(width)))
    if positive is not None and len(present) == 2:
        said["auc"]["sklearn"] = sk.roc_auc_score(labels == positive, P[:, positive])
        said["average_precision"]["sklearn"] = sk.average_precision_score(labels == positive, P[:, positive])
        said["brier"]["sklearn"] = sk.brier_score_loss(labels == positive, P[:, positive])
    elif len(present) == width:
        said["auc"]["sklearn"] = sk.roc_auc_score(labels, P, multi_class="ovr", average="macro")
        said["brier"]["sklearn"] = sk.brier_score_loss(labels, P)
    return {"name": name, "classes": width, "positive": positive, "labels": labels.tolist(),
            "probabilities": P.ravel().tolist(), "said": said}


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def classifications():
    n = 160
    y = (rng.random(n) < 0.3).astype(int)
    p = np.clip(rng.normal(0.35 + 0.2 * y, 0.2), 0.01, 0.99)
    yield classification("two classes", y, np.c_[1 - p, p], 1)
    tied = np.round(p, 1)
    yield classification("two classes, tied scores, certainty", y, np.c_[1 - tied, tied], 1)
    certain = np.where(rng.random(n) < 0.1, np.where(rng.random(n) < 0.5, 0.0, 1.0), p)
    yield classification("two classes, some zeros and ones", y, np.c_[1 - certain, certain], 1)
    rare = np.r_[np.ones(3, int), np.zeros(n - 3, int)]
    yield classification("two classes, three positives", rare, np.c_[1 - p, p], 1)
    prior = np.full(n, y.mean())
    yield classification("two classes, constant score", y, np.c_[1 - prior, prior], 1)
    yield classification("two classes, the first is positive", 1 - y, np.c_[p, 1 - p], 0)
    k = 5
    y = rng.choice(k, n, p=[0.5, 0.25, 0.15, 0.07, 0.03])
    y[:k] = range(k)
    P = softmax(rng.normal(0, 1, (n, k)) + 1.2 * np.eye(k)[y])
    yield classification("five classes", y, P)
    yield classification("five classes, the last absent", np.where(y == 4, 0, y), P)


def forecast(name, series, levels, season):
    """`series`: (history, actual, point, quantiles) of each."""
    actual = np.concatenate([s[1] for s in series])
    point = np.concatenate([s[2] for s in series])
    quantiles = np.concatenate([s[3] for s in series], axis=1)
    scales = [np.abs(h[season:] - h[:-season]).mean() for h, *_ in series]
    frame = __import__("pandas").DataFrame({"y": actual, **{f"q{l}": q for l, q in zip(levels, quantiles)}})
    probabilistic = score_forecast.probs(frame, score_forecast.quantcols(frame.columns))
    said = {
        "mae": {"sklearn": sk.mean_absolute_error(actual, point)},
        "rmse": {"sklearn": sk.root_mean_squared_error(actual, point)},
        "smape": {"scorer": np.mean([score_forecast.smape(s[1], s[2]) for s in series])},
        "mase": {"formula": np.mean([np.abs(s[1] - s[2]).mean() / scale for s, scale in zip(series, scales)])},
        "wql": {"scorer": probabilistic["wql"],
                "sklearn": np.mean([2 * sk.mean_pinball_loss(actual, q, alpha=l) * len(actual) / np.abs(actual).sum()
                                    for l, q in zip(levels, quantiles)])},
        "coverage_80": {"scorer": probabilistic["coverage_80"]},
    }
    return {"name": name, "season": season, "levels": levels, "said": said,
            "series": [{"history": h.tolist(), "actual": a.tolist(), "point": f.tolist(), "quantiles": q.tolist()}
                       for h, a, f, q in series]}


def forecasts():
    def one(length, horizon, zeros=False):
        t = np.arange(length + horizon)
        values = 20 + 0.1 * t + 5 * np.sin(t * np.pi / 6) + rng.normal(0, 1, len(t))
        if zeros:
            values = np.where(rng.random(len(t)) < 0.4, 0.0, np.round(values))
        point = values[length:] + rng.normal(0, 1.5, horizon)
        if zeros:
            point = np.where(rng.random(horizon) < 0.3, 0.0, point)
        quantiles = np.sort(point + np.array([-1.6, 0.1, 1.5])[:, None] * rng.uniform(0.5, 1.5, horizon), axis=0)
        return values[:length], values[length:], point, quantiles

    levels = [0.1, 0.5, 0.9]
    yield forecast("one series, monthly", [one(60, 12)], levels, 12)
    yield forecast("three series of different lengths", [one(40, 12), one(90, 6), one(25, 12)], levels, 12)
    yield forecast("zeros", [one(50, 20, zeros=True), one(50, 20, zeros=True)], levels, 1)


def ranking(name, relevance, scores, queries):
    relevance, scores, queries = np.asarray(relevance, float), np.asarray(scores, float), np.asarray(queries)
    scored = score_ranking.evaluate(relevance, queries, scores)
    said = {("mrr" if metric == "mrr@10" else metric): {"scorer": value} for metric, value in scored.items()}
    # scikit-learn averages over tied orders and takes the gain as given: comparable without ties.
    groups = [np.flatnonzero(queries == q) for q in np.unique(queries)]
    untied = all(len(set(scores[g])) == len(g) for g in groups)
    kept = [g for g in groups if relevance[g].max() > 0 and len(g) > 1]
    if untied and all(len(g) > 1 for g in groups):
        for k in (1, 3, 5, 10):
            said[f"ndcg@{k}"]["sklearn"] = np.mean(
                [sk.ndcg_score([2 ** relevance[g] - 1], [scores[g]], k=k) for g in kept])
        said["map"]["sklearn"] = np.mean([sk.average_precision_score(relevance[g] > 0, scores[g]) for g in kept])
    return {"name": name, "relevance": relevance.tolist(), "scores": scores.tolist(),
            "queries": queries.tolist(), "said": said}


def rankings():
    sizes = rng.integers(2, 25, 20)
    queries = np.repeat(np.arange(len(sizes)), sizes)
    relevance = rng.choice(5, len(queries), p=[0.6, 0.2, 0.1, 0.06, 0.04])
    relevance[queries == 3] = 0
    scores = relevance * 0.3 + rng.normal(0, 1, len(queries))
    yield ranking("twenty queries, one with nothing relevant", relevance, scores, queries)
    yield ranking("tied scores", relevance, np.round(scores), queries)
    yield ranking("a constant score", relevance, np.zeros(len(queries)), queries)
    order = rng.permutation(len(queries))
    yield ranking("rows of a query scattered", relevance[order], scores[order], queries[order])
    yield ranking("queries of one row", [1, 0, 2], [0.1, 0.2, 0.3], [0, 1, 2])


def clean(value):
    if isinstance(value, dict):
        return {str(key): clean(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    if isinstance(value, (float, np.floating)):
        return number(value)
    return value.item() if isinstance(value, np.integer) else value


cases = {"classification": list(classifications()), "forecasting": list(forecasts()), "ranking": list(rankings())}
text = json.dumps(clean(cases), separators=(",", ":"))
print(text.replace('{"name"', '\n{"name"'))
