#!/usr/bin/env bash
# The whole road on real data with no file edited by hand: new, train, eval, predict, register,
# promote, roll back; then an independent scorer on the predictions. Prints what docs/results.md holds.
#
#   benches/real_data.sh SHARED [DATASET ...]
#
# SHARED has data/ and score/; `mlx` is on the PATH, MLX_PYTHON has scikit-learn and pandas.
set -euo pipefail

shared=$(cd "$1" && pwd)
shift
data=$shared/data
python=${MLX_PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MLX_REGISTRY_DATA=$work/registry

# road NAME ARGUMENTS...: from `mlx new` to `mlx rollback`; the evaluation is left in NAME/eval.txt.
road() {
    local name=$1 started=$SECONDS
    shift
    cd "$work"
    mlx new -q "$name" "$@" >/dev/null
    cd "$name"
    mlx train -q >train.txt
    echo "== $name: trained in $((SECONDS - started)) s"
    mlx eval -q | tee eval.txt
    mlx register -q >/dev/null
    mlx promote -q "$name/1" --to production --reason first >/dev/null
    mlx train -q --seed 8 --max-epochs 3 >/dev/null
    mlx register -q >/dev/null
    mlx promote -q "$name/2" --to staging --reason second >/dev/null || echo "staging's gate said no: $?"
    mlx promote -q "$name/1" --to staging --reason third >/dev/null
    mlx rollback -q "$name" --env staging --reason bench >/dev/null || echo "nothing to roll back to: $?"
}

classification() {
    local name=$1 target=$2
    road "$name" --data "$data/$name/train.csv.gz" --test "$data/$name/test.csv.gz" --target "$target"
    mlx predict -q "$name@production" -i "$data/$name/test.csv.gz" -o predictions.csv
    "$python" "$shared/score/score_classification.py" --json --pred predictions.csv --test "$data/$name/test.csv.gz" --target "$target"
}

adult() { classification adult income; }
telco_churn() { classification telco_churn Churn; }
letter() { classification letter letter; }
mammography() { classification mammography label; }

lightgbm_rank() {
    local folder=$data/lightgbm_rank
    road lightgbm_rank --data "$folder/train.svm.gz" --test "$folder/test.svm.gz" --target label --query qid
    mlx predict -q lightgbm_rank@production -i "$folder/test.svm.gz" -o predictions.csv
    "$python" "$shared/score/score_ranking.py" --json --pred predictions.csv --test "$folder/test.svm.gz"
}

m4_hourly() {
    local folder=$data/m4_hourly
    road m4_hourly --data "$folder/train.csv.gz" --test "$folder/test.csv.gz" --target y --time ds --series unique_id --horizon 48 --season 24
    mlx predict -q m4_hourly@production -i "$folder/train.csv.gz" -o predictions.csv
    "$python" "$shared/score/score_forecast.py" --json --pred predictions.csv --test "$folder/test.csv.gz" --train "$folder/train.csv.gz" --season 24 --owa
}

airline_passengers() {
    road airline_passengers --data "$data/airline_passengers/airline-passengers.csv.gz" --target Passengers --time Month --horizon 24 --season 12
}

[ $# -gt 0 ] || set -- telco_churn mammography airline_passengers lightgbm_rank letter m4_hourly adult
for set in "$@"; do
    "$set"
done
