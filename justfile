# All checks that need no server. Except for `deny`, .ci/run runs them too.
check: fmt clippy test doc deny

fmt:
    cargo fmt --check

clippy:
    cargo clippy --all-targets -- -D warnings

test:
    cargo test

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Compares 50,000 random histories with a second implementation of the merge rules: tests/it/model.
model:
    NIFI_IDB_MODEL=50000 cargo test --test it model:: -- --nocapture

# Needs cargo-deny.
deny:
    cargo deny check

# Needs Maven, a JDK (11 to 17) and Python.
real-registry:
    cargo test --test real_registry

# Needs an unpacked NiFi in NIFI_HOME, and the tools in tests/real_nifi/README.md.
real-nifi:
    cargo test --release --test real_nifi -- --nocapture --test-threads 1

# Needs Python, Node.js and Chromium: clients written by others.
clients:
    cargo test --test clients

# Needs Node.js, npm, Chromium and Firefox: the client for web pages.
browser:
    cargo test --test browser -- --nocapture

# The demo at http://localhost:8080; needs Node.js.
demo:
    cargo build
    node examples/demo/serve.mjs
