# All checks that need no server. .ci/run runs them too, except for the advisories of `deny`.
check: fmt clippy test doc deny

fmt:
    cargo fmt --check

clippy:
    cargo clippy --all-targets -- -D warnings

test:
    cargo test

# The tests of the library, and those of the program that need no long histories, crashes, load or servers: under a minute
# of processor time. A plain `cargo test` runs all.
fast:
    cargo test --lib
    cargo test --test it -- addresses:: examples:: flowfiles:: format_compat:: imports:: json_records:: limits:: links:: logging:: names:: \
        packages:: pipeline:: policy:: privacy:: prose:: rejected_input:: schemas:: templates:: tidy:: verify_chain:: \
        --skip serve:: --skip conflicts:: --skip pipeline::full_dumps --skip packages::a_package_of_many_flows

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# 50,000 random histories against a second implementation of the merge rules: tests/it/model/mod.rs says what they have in
# them. Each difference is printed when it is found, up to 20. FROM is the first history's seed.
model FROM="0" COUNT="50000":
    NIFI_IDB_MODEL={{COUNT}} NIFI_IDB_MODEL_FROM={{FROM}} NIFI_IDB_MODEL_DIFFERENCES=20 \
        cargo test --test it model:: -- --nocapture

# One of these histories alone, by its seed.
model-history SEED:
    NIFI_IDB_MODEL_SEED={{SEED}} cargo test --test it model:: -- --nocapture

# Ten minutes of mixed load on one server, with a program that was built for speed: tests/it/serve/mixed_load.rs.
load:
    cargo build --release
    NIFI_IDB_TEST_PROGRAM={{justfile_directory()}}/target/release/nifi-idb NIFI_IDB_LOAD_MINUTES=10 \
        cargo test --test it serve::mixed_load -- --nocapture

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
