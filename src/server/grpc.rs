//! gRPC: the services, and the needs of a call before its service is called.
//!
//! [flowfiles.md]: crate::flowfile
//! [http.md]: crate::server::http
//!
#![doc = include_str!("../../doc/reference/grpc.md")]

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder as Reflection;

use super::body::Body;
use super::call_body::{CallBody, CallLimits};
use super::flowfile_service::FlowFiles;
use super::layers::{LayerState, Needs, check};
use super::proto::DESCRIPTORS;
use super::proto::nifi::flow_file_service_server::{
    FlowFileServiceServer, SERVICE_NAME as FLOWFILES,
};
use super::proto::sidecar::sidecar_server::{SERVICE_NAME as SIDECAR, SidecarServer};
use super::route_names::{HEALTH, Protocol, grpc_service};
use super::sidecar::Sidecar;
use super::state::Server;
use super::tracked::{AnswerDeadline, LAST_PIECE};

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

/// Returns the requirements of a method; `None`: everybody may ask for the server's health.
fn needs(path: &str) -> Option<Needs> {
    match grpc_service(path) {
        HEALTH => None,
        FLOWFILES | SIDECAR => Some(Needs::Slot),
        _ => Some(Needs::Credential),
    }
}

/// Reports every service as serving or not serving.
pub(super) async fn set_health(health: &HealthReporter, is_serving: bool) {
    let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in ["", FLOWFILES, SIDECAR] {
        health.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_health_needs_nothing() {
        assert_eq!(needs("/nifi_idb.v1.Sidecar/Nothing"), Some(Needs::Slot));
        assert_eq!(["/x/y", ""].map(needs), [Some(Needs::Credential); 2]);
        assert_eq!(needs("/grpc.health.v1.Health/Check"), None);
    }
}
