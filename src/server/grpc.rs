//! gRPC requests: the choice of the service, and the gRPC status of each refusal.
//!
//! [flowfiles.md]: crate::flowfile
//! [http.md]: crate::server::http
//!
#![doc = include_str!("../../doc/reference/grpc.md")]

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, Response, StatusCode};
use tonic::codegen::Service;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder as Reflection;

use super::answer::Refusal;
use super::body::Body;
use super::flowfile_service::FlowFiles;
use super::proto::DESCRIPTORS;
use super::proto::nifi::flow_file_service_server::{
    FlowFileServiceServer, SERVICE_NAME as FLOWFILES,
};
use super::proto::sidecar::sidecar_server::{SERVICE_NAME as SIDECAR, SidecarServer};
use super::service::Server;
use super::sidecar::Sidecar;

const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";
const REFLECTION_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Handler = Arc<dyn Fn(Request<Body>) -> Answering + Send + Sync>;

/// All services.
#[derive(Clone)]
pub(super) struct Grpc {
    services: Arc<[(&'static str, Handler)]>,
}

/// The result in a reply whose gRPC status is `OK`, for metrics.
#[derive(Clone, Copy)]
pub(super) struct ReplyCode(pub(super) &'static str);

impl Grpc {
    /// Makes the services.
    pub(super) fn new(
        server: &Arc<Server>,
        health: HealthReporter,
    ) -> Result<Self, tonic_reflection::server::Error> {
        let largest = server.limits.max_message_bytes;
        let flowfiles = FlowFileServiceServer::new(FlowFiles(Arc::clone(server)));
        let sidecar = SidecarServer::new(Sidecar(Arc::clone(server)));
        let reflection = || {
            Reflection::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        Ok(Self {
            services: [
                (FLOWFILES, handler(flowfiles.max_decoding_message_size(largest))),
                (
                    SIDECAR,
                    handler(
                        sidecar
                            .max_decoding_message_size(largest)
                            .max_encoding_message_size(largest),
                    ),
                ),
                (HEALTH, handler(HealthServer::new(HealthService::from_health_reporter(health)))),
                (REFLECTION, handler(reflection().build_v1()?)),
                (REFLECTION_ALPHA, handler(reflection().build_v1alpha()?)),
            ]
            .into(),
        })
    }

    /// Answers a request.
    pub(super) async fn call(&self, path: &str, request: Request<Body>) -> Response<Body> {
        let service = service(path);
        match self.services.iter().find(|(name, _)| *name == service) {
            Some((_, handler)) => handler(request).await,
            None => Status::unimplemented("there is no such service").into_http(),
        }
    }

    /// Returns the name of a method in metrics.
    pub(super) fn name(path: &str) -> &'static str {
        const NAMES: [&str; 6] = [
            "FlowFileService/Send",
            "Sidecar/Sync",
            "Sidecar/Sources",
            "Sidecar/Log",
            "Sidecar/Show",
            "Sidecar/Restore",
        ];
        let known = NAMES.into_iter().find(|name| path.ends_with(&format!(".{name}")));
        known.unwrap_or(match service(path) {
            HEALTH => "Health",
            REFLECTION | REFLECTION_ALPHA => "ServerReflection",
            _ => "other",
        })
    }

    /// True if the method needs no authentication.
    pub(super) fn is_health(path: &str) -> bool {
        service(path) == HEALTH
    }

    /// True if the method needs a slot.
    pub(super) fn is_work(path: &str) -> bool {
        [FLOWFILES, SIDECAR].contains(&service(path))
    }

    /// Returns the outcome of a request, as far as it is known when the response begins.
    pub(super) fn outcome(response: &Response<Body>) -> Cow<'static, str> {
        if let Some(code) = response.extensions().get::<ReplyCode>() {
            return code.0.into();
        }
        let code =
            Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        format!("{code:?}").into()
    }
}

/// Reports every service as serving or not serving.
pub(super) async fn set_health(health: &HealthReporter, is_serving: bool) {
    let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in ["", FLOWFILES, SIDECAR] {
        health.set_service_status(service, status).await;
    }
}

fn service(path: &str) -> &str {
    path.strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(service, _)| service)
}

fn handler<S>(service: S) -> Handler
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    Arc::new(move |request| {
        // These services are always ready.
        let answering = service.clone().call(request);
        Box::pin(async move { answering.await.unwrap_or_else(|never| match never {}) })
    })
}

/// Returns a refusal as a gRPC status.
pub(super) fn status(refusal: &Refusal) -> Status {
    let code = match refusal.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT | StatusCode::FAILED_DEPENDENCY => Code::FailedPrecondition,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::INSUFFICIENT_STORAGE => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
        _ => Code::InvalidArgument,
    };
    Status::new(code, refusal.message.clone())
}

/// Reads the header `grpc-timeout`: at most eight digits and a unit.
pub(super) fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits
        .parse()
        .ok()
        .filter(|_| digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs() {
        assert_eq!(timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(timeout("100m"), Some(Duration::from_millis(100)));
        for wrong in ["", "S", "5", "5s", "-5S", "+5S", "123456789S", "5\u{e9}"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(
            Grpc::name("/org.apache.nifi.processors.grpc.FlowFileService/Send"),
            "FlowFileService/Send"
        );
        assert_eq!(Grpc::name("/nifi_idb.v1.Sidecar/Log"), "Sidecar/Log");
        assert_eq!(Grpc::name("/grpc.health.v1.Health/Check"), "Health");
        assert_eq!(Grpc::name("/nifi_idb.v1.Sidecar/Nothing"), "other");
        assert!(
            Grpc::is_work("/nifi_idb.v1.Sidecar/Nothing")
                && !Grpc::is_work("/x/y")
                && !Grpc::is_work("")
        );
    }
}
