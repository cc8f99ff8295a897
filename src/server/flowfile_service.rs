//! NiFi's own gRPC service: one FlowFile per call. The reply decides where InvokeGRPC routes the
//! FlowFile.

use std::sync::Arc;
use std::time::Instant;

use tonic::{Request, Response, Status};

use super::api::sync::{SyncOperation, SyncOutcome};
use super::grpc_call::{admit, run, ticket};
use super::grpc_status::{ReplyCode, status};
use super::limits::CONTENT_MEMORY;
use super::named::Named;
use super::proto::nifi::flow_file_reply::ResponseCode;
use super::proto::nifi::flow_file_service_server::FlowFileService;
use super::proto::nifi::{FlowFileReply, FlowFileRequest};
use super::refusal::{LATE, Refusal, RefusalKind};
use super::state::Server;
use crate::exit_status::ExitStatus;
use crate::memory::MemoryUse;
use crate::report_line::ReportLine;

/// A reply contains at most this many characters of a cause: it becomes an attribute, which NiFi
/// keeps in its heap.
const MAX_CAUSE_CHARS: usize = 1_000;

/// The service.
pub(super) struct FlowFiles(pub(super) Arc<Server>);

#[tonic::async_trait]
impl FlowFileService for FlowFiles {
    async fn send(
        &self,
        request: Request<FlowFileRequest>,
    ) -> Result<Response<FlowFileReply>, Status> {
        let ticket = admit(&self.0, ticket(&request)?).await?;
        let FlowFileRequest { attributes, content, .. } = request.into_inner();
        let server = Arc::clone(&self.0);
        let received = u64::try_from(content.len()).unwrap_or(u64::MAX);
        server.metrics.received_bytes.inc_by(received);
        let attributes = attributes.into_iter().collect();
        let operation =
            SyncOperation::new(&ticket, Named::default(), attributes, false, &server.intake);
        let done = match operation {
            Ok(operation) => {
                let worker = Arc::clone(&server);
                let claimed =
                    ticket.memory.need_now(MemoryUse::Content, received.min(CONTENT_MEMORY));
                claimed.map_err(|error| status(&error.into()))?;
                let facts = ticket.facts.clone();
                let work = move || {
                    let outcome =
                        operation.run(&*worker.store, content.as_ref(), &worker.metrics)?;
                    outcome.note(&facts);
                    Ok(outcome)
                };
                run(&ticket, work).await?
            }
            Err(refusal) => Err(refusal),
        };
        let reply = match done {
            // The work was abandoned at the deadline, if it began at all.
            Ok(done)
                if done.status() == ExitStatus::Transient && Instant::now() >= ticket.deadline =>
            {
                return Err(Status::deadline_exceeded(LATE));
            }
            Ok(done) => reply_of(&done),
            // A missing right is reported as the call's status; a problem of the FlowFile is
            // reported in the reply.
            Err(refusal) if refusal.kind == RefusalKind::Forbidden => {
                return Err(status(&refusal));
            }
            Err(refusal) if refusal.kind == RefusalKind::Unavailable => {
                reply(ResponseCode::Retry, cause(&refusal.message, ExitStatus::Transient))
            }
            Err(Refusal { message, exit, .. }) => reply(ResponseCode::Error, cause(&message, exit)),
        };
        let code = ReplyCode(reply.response_code().as_str_name());
        let mut response = Response::new(reply);
        response.extensions_mut().insert(code);
        Ok(response)
    }
}

fn reply_of(done: &SyncOutcome) -> FlowFileReply {
    let status = done.status();
    match done.failure() {
        None => reply(ResponseCode::Success, done.summary()),
        Some(failure) if status == ExitStatus::Transient || done.found_no_room() => {
            reply(ResponseCode::Retry, cause(&failure.message, status))
        }
        Some(failure) => reply(ResponseCode::Error, cause(&failure.message, status)),
    }
}

fn reply(code: ResponseCode, body: String) -> FlowFileReply {
    FlowFileReply { response_code: code.into(), body }
}

/// Returns a cause as one line of JSON in ASCII.
fn cause(message: &str, exit: ExitStatus) -> String {
    let ascii = |char: char| if matches!(char, ' '..='~') { char } else { '?' };
    let message: String = message.chars().map(ascii).take(MAX_CAUSE_CHARS).collect();
    ReportLine::Error { message: &message, status: Some(exit as u8) }.to_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_nifis() {
        let codes = [ResponseCode::Error, ResponseCode::Success, ResponseCode::Retry];
        assert_eq!(codes.map(|code| code as i32), [0, 1, 2]);
        assert_eq!(codes.map(|code| code.as_str_name()), ["ERROR", "SUCCESS", "RETRY"]);
    }

    #[test]
    fn a_cause_is_short_and_ascii() {
        let text = cause(&"\u{e9}\n".repeat(2_000), ExitStatus::Input);
        assert!(
            text.is_ascii()
                && text.len() < 1_100
                && text.ends_with("\"status\":5,\"type\":\"error\"}"),
            "{text}"
        );
    }
}
