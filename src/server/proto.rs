//! The code that `build.rs` generates from `proto/`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated; the comments are in the .proto files"
)]

/// NiFi's service.
pub(super) mod nifi {
    tonic::include_proto!("org.apache.nifi.processors.grpc");
}

/// The service `Sidecar`.
pub(super) mod sidecar {
    tonic::include_proto!("nifi_idb.v1");
}

/// The descriptors of both services, for server reflection.
pub(super) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
