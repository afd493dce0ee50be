#!/bin/sh
# Trains and scores the four horizons. The argument is ETTh1.csv or ETTh1.csv.gz.
set -eu
cd "$(dirname "$0")"
[ $# -eq 1 ] || { echo "usage: $0 ETTh1.csv" >&2; exit 2; }
mkdir -p data
case $1 in
*.gz) gzip -cd "$1" >data/all.csv ;;
*) cp "$1" data/all.csv ;;
esac
# A header and 11520 rows, then the 2880 rows of the test; what follows is not used.
head -n 11521 data/all.csv >data/train.csv
{ head -n 1 data/all.csv; sed -n '11522,14401p' data/all.csv; } >data/test.csv
rm data/all.csv
for horizon in 96 192 336 720; do
    echo "horizon $horizon"
    mlx train -q --set data.horizon=$horizon
    mlx eval --set data.horizon=$horizon
done
