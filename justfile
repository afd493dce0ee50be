# What a working day needs. `just --list` shows it; CI runs `just check`'s script itself.

# All that CI runs: format, clippy, shellcheck, dependencies, docs, install and tour, tests.
check:
    .ci/run

# The tests alone.
test *ARGS:
    cargo test {{ARGS}}

# Format and lint, quickly.
lint:
    cargo fmt
    cargo clippy --all-targets -- -D warnings

# Review changed snapshots (needs cargo-insta).
review:
    cargo insta review

# Write completions/ anew after a change to the command line.
completions:
    MLX_REWRITE=1 cargo test --test it completions

# A release tarball with its checksum, in target/dist.
dist:
    #!/bin/sh
    set -eu
    cargo build --release --locked
    name=mlx-$(./target/release/mlx --version | cut -d ' ' -f 2)-$(rustc -vV | sed -n 's/^host: //p')
    rm -rf "target/dist/$name"
    mkdir -p "target/dist/$name"
    cp target/release/mlx install.sh README.md LICENSE-MIT LICENSE-APACHE "target/dist/$name"
    cp -R completions "target/dist/$name"
    cd target/dist
    (cd "$name" && sha256sum mlx > SHA256SUMS)
    tar -czf "$name.tar.gz" "$name"
    sha256sum "$name.tar.gz" > "$name.tar.gz.sha256"
    echo "target/dist/$name.tar.gz"

# `kill -9` at twenty moments each of training a net, trees, a course, forecasts and a ranking.
kills:
    MLX_KILLS=20 cargo test --test it killed_training

# Quality on real data (trains for minutes; needs the data beside the checkout).
quality:
    cargo test --release --lib -- --ignored
