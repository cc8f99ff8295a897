//! Black-box and integration tests: one binary, one module a file.
