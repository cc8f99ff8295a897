//! The names of all routes: paths of HTTP and services of gRPC, and their names in metrics and in the
//! log.

use axum::extract::{MatchedPath, Request};

pub(super) const SYNC: &str = "/v1/sync";
pub(super) const FLOW_SYNC: &str = "/v1/flows/{bucket}/{flow}/sync";
pub(super) const SOURCES: &str = "/v1/flows/{bucket}/{flow}/sources";
pub(super) const SOURCE: &str = "/v1/flows/{bucket}/{flow}/sources/{id}";
pub(super) const VERSIONS: &str = "/v1/flows/{bucket}/{flow}/versions";
pub(super) const VERSION: &str = "/v1/flows/{bucket}/{flow}/versions/{at}";
pub(super) const RECORDS: &str = "/v1/flows/{bucket}/{flow}/versions/{at}/records";

pub(super) const HEALTH: &str = "grpc.health.v1.Health";
pub(super) const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";
pub(super) const REFLECTION_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// The name of a route that does not exist.
pub(super) const OTHER: &str = "other";

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Grpc,
}

impl Protocol {
    /// Returns the name in metrics and in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }

    /// Returns the name of a request's route in metrics.
    pub(super) fn label(self, request: &Request) -> &'static str {
        match self {
            Self::Http => matched(request).map_or(OTHER, http_label),
            Self::Grpc => grpc_name(request.uri().path()),
        }
    }

    /// Returns the template of a request's route. It contains nothing that the client chose.
    pub(super) fn template(self, request: &Request) -> String {
        match self {
            Self::Http => matched(request).unwrap_or(OTHER).to_owned(),
            Self::Grpc => grpc_name(request.uri().path()).to_owned(),
        }
    }
}

fn matched(request: &Request) -> Option<&str> {
    request.extensions().get::<MatchedPath>().map(MatchedPath::as_str)
}

/// Returns the name of an HTTP route in metrics.
pub(super) fn http_label(template: &str) -> &'static str {
    match template {
        "/healthz" => "/healthz",
        "/readyz" => "/readyz",
        "/metrics" => "/metrics",
        SYNC | FLOW_SYNC => "/v1/sync",
        SOURCES | SOURCE => "/v1/flows/sources",
        VERSIONS => "/v1/flows/versions",
        VERSION => "/v1/flows/versions/version",
        RECORDS => "/v1/flows/versions/records",
        _ => OTHER,
    }
}

/// Returns the name of a method in metrics and in the log.
fn grpc_name(path: &str) -> &'static str {
    const NAMES: [&str; 6] = [
        "FlowFileService/Send",
        "Sidecar/Sync",
        "Sidecar/Sources",
        "Sidecar/Log",
        "Sidecar/Show",
        "Sidecar/Restore",
    ];
    let known = NAMES.into_iter().find(|name| path.ends_with(&format!(".{name}")));
    known.unwrap_or(match grpc_service(path) {
        HEALTH => "Health",
        REFLECTION | REFLECTION_ALPHA => "ServerReflection",
        _ => OTHER,
    })
}

/// Returns the service in the path of a call.
pub(super) fn grpc_service(path: &str) -> &str {
    path.strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(service, _)| service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_names() {
        let name = grpc_name("/org.apache.nifi.processors.grpc.FlowFileService/Send");
        assert_eq!(name, "FlowFileService/Send");
        assert_eq!(grpc_name("/nifi_idb.v1.Sidecar/Log"), "Sidecar/Log");
        assert_eq!(grpc_name("/grpc.health.v1.Health/Check"), "Health");
        assert_eq!(grpc_name("/nifi_idb.v1.Sidecar/Nothing"), "other");
    }
}
