//! Traces that another program began, such as NiFi or a web page: W3C Trace Context.

/// The name of the header and of the attribute of FlowFiles.
pub const TRACE_PARENT: &str = "traceparent";

/// Makes a new span a child of the span that `traceparent` names, if the text is valid. Call it
/// before the span is entered. It has an effect only with the feature `otel`.
#[cfg(feature = "otel")]
pub fn continue_trace(span: &tracing::Span, traceparent: &str) {
    use std::collections::HashMap;

    use opentelemetry::propagation::TextMapPropagator;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    let carrier = HashMap::from([(TRACE_PARENT.to_owned(), traceparent.to_owned())]);
    // Fails if spans are not exported.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
}

/// Does nothing without the feature `otel`, because spans are not exported.
#[cfg(not(feature = "otel"))]
pub fn continue_trace(_span: &tracing::Span, _traceparent: &str) {}
