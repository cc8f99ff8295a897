//! The gRPC status of a refusal, and the outcome of a call.

use std::borrow::Cow;

use axum::response::Response;
use tonic::{Code, Status};

use super::refusal::{Refusal, RefusalKind};

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

/// The result in a reply whose gRPC status is `OK`, for metrics.
#[derive(Clone, Copy)]
pub(super) struct ReplyCode(pub(super) &'static str);

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
