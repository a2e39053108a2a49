# The commands that contributors use most. `just` lists them; CONTRIBUTING.md explains them.

set shell := ["bash", "-euo", "pipefail", "-c"]

[private]
default:
    @just --list --unsorted

# Format the code
fmt:
    cargo fmt

# Check the format and run clippy; warnings are errors
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# Install what is missing and run all checks and tests; arguments go to `cargo test`
test *ARGS:
    tests/run {{ ARGS }}

# Run the tests whose path contains NAME on SQLite alone
test-one NAME:
    cargo test --locked --lib -- {{ NAME }}
    cargo test --locked --test keyward -- {{ NAME }} --skip ::postgres

# Run the tests whose path contains NAME on the Postgres that TEST_POSTGRES_URL names
test-postgres NAME:
    @[[ -n "${TEST_POSTGRES_URL:-}" ]] || { echo "set TEST_POSTGRES_URL first: see CONTRIBUTING.md" >&2; exit 1; }
    cargo test --locked --test keyward -- {{ NAME }} --skip ::sqlite

# Write the files in tests/golden anew, where a change of them is meant
golden:
    UPDATE_GOLDEN=1 cargo test --locked --test keyward golden::

# Run Keyward; without arguments it serves on 127.0.0.1:8080
run *ARGS:
    cargo run --release --locked -- {{ ARGS }}

# Serve data/demo.db; it is made, with sample data, where it is not there yet
demo:
    [[ -e data/demo.db ]] || cargo run --release --locked -- demo --database-url sqlite://data/demo.db
    cargo run --release --locked -- serve --database-url sqlite://data/demo.db

# Write the golden files anew; the differences belong into the review
golden:
    UPDATE_GOLDEN=1 cargo test --locked --test keyward golden

# Run a fuzz target for some seconds; needs a nightly toolchain and cargo-fuzz
fuzz TARGET SECONDS="60":
    cargo +nightly fuzz run {{ TARGET }} -- -max_total_time={{ SECONDS }}

# Measure what tokens and introspections cost, as CPU time
bench *ARGS:
    cargo bench --locked -- {{ ARGS }}

# The same, as instructions counted by valgrind
bench-instructions:
    cargo bench --locked -- --callgrind

# Build the API documentation into target/doc/keyward
docs:
    cargo doc --locked --no-deps
