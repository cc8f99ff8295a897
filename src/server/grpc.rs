//! gRPC: the services, what a call needs before its service is called, and the status of each
//! refusal.
//!
//! [flowfiles.md]: crate::flowfile
//! [http.md]: crate::server::http
//!
#![doc = include_str!("../../doc/reference/grpc.md")]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper::header::HeaderMap;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder as Reflection;

use super::body::Body;
use super::call_body::{CallBody, CallLimits};
use super::flowfile_service::FlowFiles;
use super::layers::{LayerState, Needs, OTHER, Protocol, check};
use super::proto::DESCRIPTORS;
use super::proto::nifi::flow_file_service_server::{
    FlowFileServiceServer, SERVICE_NAME as FLOWFILES,
};
use super::proto::sidecar::sidecar_server::{SERVICE_NAME as SIDECAR, SidecarServer};
use super::refusal::{Refusal, RefusalKind};
use super::service::{LAST_PIECE, Server};
use super::sidecar::Sidecar;
use super::tracked::AnswerDeadline;

const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION: &str = "grpc.reflection.v1.ServerReflection";
const REFLECTION_ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// The result in a reply whose gRPC status is `OK`, for metrics.
#[derive(Clone, Copy)]
pub(super) struct ReplyCode(pub(super) &'static str);

/// Makes the services.
pub(super) fn routes(
    server: &Arc<Server>,
    health: HealthReporter,
) -> Result<Router, tonic_reflection::server::Error> {
    let largest = server.limits.max_message_bytes;
    let flowfiles = FlowFileServiceServer::new(FlowFiles(Arc::clone(server)));
    let sidecar = SidecarServer::new(Sidecar(Arc::clone(server)));
    let reflection = || {
        Reflection::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::new(flowfiles.max_decoding_message_size(largest))
        .add_service(sidecar.max_decoding_message_size(largest).max_encoding_message_size(largest))
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    let state = LayerState { server: Arc::clone(server), protocol: Protocol::Grpc };
    // Also around the fallback: a stranger does not learn which services exist.
    Ok(routes.into_axum_router().layer(from_fn_with_state(state, admit_call)))
}

/// Checks a call as [`super::layers::admit`] does, and bounds its body.
async fn admit_call(State(state): State<LayerState>, mut request: Request, next: Next) -> Response {
    let server = Arc::clone(&state.server);
    let ticket = match needs(request.uri().path()) {
        None => None,
        Some(needs) => match check(&state, needs, &request) {
            Ok(ticket) => ticket,
            Err(refusal) => return deadline_of(&server, state.turn_away(&refusal, request)),
        },
    };
    let (deadline, memory) = match &ticket {
        Some(ticket) => (ticket.deadline.into(), ticket.memory.clone()),
        None => (tokio::time::Instant::now() + server.limits.deadline, server.memory.claim()),
    };
    if let Some(ticket) = ticket {
        request.extensions_mut().insert(ticket);
    }
    let limits = CallLimits {
        max_message_bytes: server.limits.max_message_bytes,
        idle: server.limits.idle,
        deadline,
        memory,
    };
    let mut response = next.run(request.map(|body| Body::new(CallBody::new(body, limits)))).await;
    response.extensions_mut().insert(AnswerDeadline(deadline + LAST_PIECE));
    response
}

/// Gives the response to a refused call its time.
fn deadline_of(server: &Server, mut response: Response) -> Response {
    let deadline = tokio::time::Instant::now() + server.limits.deadline + LAST_PIECE;
    response.extensions_mut().insert(AnswerDeadline(deadline));
    response
}

/// Returns the name of a method in metrics and in the log.
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
        _ => OTHER,
    })
}

/// Returns the requirements of a method; `None`: everybody may ask for the server's health.
fn needs(path: &str) -> Option<Needs> {
    match service(path) {
        HEALTH => None,
        FLOWFILES | SIDECAR => Some(Needs::Slot),
        _ => Some(Needs::Credential),
    }
}

/// Returns the outcome of a call, as far as it is known when the response begins.
pub(super) fn outcome(response: &Response) -> Cow<'static, str> {
    if let Some(code) = response.extensions().get::<ReplyCode>() {
        return code.0.into();
    }
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    code_name(code)
}

/// Returns the name of a status code in metrics and in the log.
pub(super) fn code_name(code: Code) -> Cow<'static, str> {
    match code {
        Code::Ok => "Ok".into(),
        code => format!("{code:?}").into(),
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

/// Returns a refusal as a gRPC status.
pub(super) fn status(refusal: &Refusal) -> Status {
    let code = match refusal.kind {
        RefusalKind::Unauthenticated => Code::Unauthenticated,
        RefusalKind::Forbidden => Code::PermissionDenied,
        RefusalKind::NotFound => Code::NotFound,
        RefusalKind::Question | RefusalKind::StoreRefuses => Code::FailedPrecondition,
        RefusalKind::TooLarge | RefusalKind::NoRoom => Code::ResourceExhausted,
        RefusalKind::Unavailable => Code::Unavailable,
        RefusalKind::Internal => Code::Internal,
        RefusalKind::BadRequest
        | RefusalKind::WrongMethod
        | RefusalKind::UnsupportedContent
        | RefusalKind::Unprocessable => Code::InvalidArgument,
    };
    Status::new(code, refusal.message.clone())
}

/// Returns the time that a caller gives its call.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    parse_timeout(headers.get("grpc-timeout")?.to_str().ok()?)
}

/// Reads the header `grpc-timeout`: at most eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
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
        assert_eq!(parse_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse_timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(parse_timeout("100m"), Some(Duration::from_millis(100)));
        for wrong in ["", "S", "5", "5s", "-5S", "+5S", "123456789S", "5\u{e9}"] {
            assert_eq!(parse_timeout(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(
            name("/org.apache.nifi.processors.grpc.FlowFileService/Send"),
            "FlowFileService/Send"
        );
        assert_eq!(name("/nifi_idb.v1.Sidecar/Log"), "Sidecar/Log");
        assert_eq!(name("/grpc.health.v1.Health/Check"), "Health");
        assert_eq!(name("/nifi_idb.v1.Sidecar/Nothing"), "other");
        assert_eq!(needs("/nifi_idb.v1.Sidecar/Nothing"), Some(Needs::Slot));
        assert_eq!(["/x/y", ""].map(needs), [Some(Needs::Credential); 2]);
        assert_eq!(needs("/grpc.health.v1.Health/Check"), None);
    }
}
