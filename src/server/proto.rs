//! What `build.rs` makes of `proto/`.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the comments are in the .proto files")]

/// NiFi's service.
pub(super) mod nifi {
    tonic::include_proto!("org.apache.nifi.processors.grpc");
}

/// Our own.
pub(super) mod sidecar {
    tonic::include_proto!("nifi_idb.v1");
}

/// Both, for server reflection.
pub(super) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
