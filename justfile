# Common development tasks. `just` lists them; CONTRIBUTING.md explains them.

set shell := ["bash", "-euo", "pipefail", "-c"]

[private]
default:
    @just --list --unsorted

# Format the code
fmt:
    cargo fmt --all

# Check the format and run clippy; warnings are errors
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Install missing tools and run all checks and tests; arguments are passed to `cargo test`
test *ARGS:
    tests/run {{ ARGS }}

# Run the tests whose path contains NAME on SQLite only
test-one NAME:
    cargo test --locked --lib -- {{ NAME }}
    cargo test --locked --test keyward -- {{ NAME }} --skip ::postgres

# Run the tests whose path contains NAME on the Postgres server of TEST_POSTGRES_URL
test-postgres NAME:
    @[[ -n "${TEST_POSTGRES_URL:-}" ]] || { echo "set TEST_POSTGRES_URL first: see CONTRIBUTING.md" >&2; exit 1; }
    cargo test --locked --test keyward -- {{ NAME }} --skip ::sqlite

# Rewrite the golden files in tests/golden, after an intended change
golden:
    UPDATE_GOLDEN=1 cargo test --locked --test keyward golden::

# Run Keyward; without arguments it serves on 127.0.0.1:8080
run *ARGS:
    cargo run --release --locked -- {{ ARGS }}

# Serve data/demo.db; if it does not exist, create it with sample data
demo:
    [[ -e data/demo.db ]] || cargo run --release --locked -- demo --database-url sqlite://data/demo.db
    cargo run --release --locked -- serve --database-url sqlite://data/demo.db

# Take the screenshots in docs/pictures again; needs what tests/run installs for the browser tests
pictures:
    @[[ -n "${TEST_NODE_DIR:-}" && -n "${TEST_CHROMIUM:-}" ]] || { echo "set TEST_NODE_DIR and TEST_CHROMIUM first: see CONTRIBUTING.md" >&2; exit 1; }
    mkdir -p "$TEST_NODE_DIR/portal"
    cp tests/portal/*.mjs "$TEST_NODE_DIR/portal/"
    TEST_REQUIRE_ALL=1 cargo test --locked --test keyward -- --ignored the_pictures_of_the_documentation

# Run a fuzz target for SECONDS; needs a nightly toolchain and cargo-fuzz
fuzz TARGET SECONDS="60":
    cargo +nightly fuzz run {{ TARGET }} -- -max_total_time={{ SECONDS }}

# Run each fuzz target for SECONDS
fuzz-all SECONDS="60":
    for target in $(cargo +nightly fuzz list); do cargo +nightly fuzz run "$target" -- -max_total_time={{ SECONDS }}; done

# Measure the CPU time of tokens and introspections
bench *ARGS:
    cargo bench --locked -- {{ ARGS }}

# Measure the same in instructions, counted by valgrind
bench-instructions:
    cargo bench --locked -- --callgrind

# Build the documentation as a site into target/site; needs mdbook
site:
    packaging/site/build

# Build the API documentation into target/doc/keyward
docs:
    RUSTDOCFLAGS=--deny=warnings cargo doc --locked --no-deps

# Build a Debian package into target/
deb:
    packaging/build
    packaging/debian/build target/release/keyward target

# Build an OCI image with a static binary into target/; needs cargo-zigbuild and buildah
image:
    packaging/build x86_64-unknown-linux-musl
    packaging/oci/build target/x86_64-unknown-linux-musl/dist/keyward target

# Check the Helm chart against the API of Kubernetes; needs helm and kubeconform
chart:
    packaging/helm/check

# Build all files of a release into DIRECTORY; docs/releasing.md has the steps
release DIRECTORY:
    packaging/release {{ DIRECTORY }}
