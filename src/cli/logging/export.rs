//! Export of spans to an OpenTelemetry collector, set up by the standard environment variables.

use std::env;
use std::error::Error;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::http_client::{CertificateFiles, OtlpClient};

/// Time limit for sending the last spans when the process ends.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

/// Time limit for each call to the collector, unless `OTEL_EXPORTER_OTLP_TIMEOUT` sets another.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The export of spans. The last ones are sent when it is dropped.
pub(super) struct SpanExport(SdkTracerProvider);

impl SpanExport {
    /// Starts the export if the environment names a collector. Nothing is sent here.
    pub(super) fn start() -> Result<Option<Self>, Box<dyn Error + Send + Sync>> {
        let Some(endpoint) = endpoint() else { return Ok(None) };
        if setting("PROTOCOL").is_some_and(|protocol| protocol != "http/protobuf") {
            return Err("only http/protobuf is supported: OTEL_EXPORTER_OTLP_PROTOCOL".into());
        }
        let files = CertificateFiles {
            ca: setting("CERTIFICATE").map(Into::into),
            client_cert: setting("CLIENT_CERTIFICATE").map(Into::into),
            client_key: setting("CLIENT_KEY").map(Into::into),
        };
        let timeout = setting("TIMEOUT").and_then(|text| text.parse().ok());
        let timeout = timeout.map_or(CALL_TIMEOUT, Duration::from_millis);
        let client = OtlpClient::new(&endpoint, &files, timeout)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .build()?;
        let named = ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"];
        let is_named = named.iter().any(|name| variable(name).is_some());
        let resource = Resource::builder();
        let resource = if is_named { resource } else { resource.with_service_name("nifi-idb") };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Some(Self(provider)))
    }

    /// Returns the layer that gives spans to the export, with events down to `debug`. Only those of
    /// this crate: others may contain credentials.
    pub(super) fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + Send + Sync + for<'a> LookupSpan<'a>,
    {
        let own = Targets::new().with_target("nifi_idb", Level::DEBUG);
        let layer = tracing_opentelemetry::layer().with_tracer(self.0.tracer("nifi-idb"));
        layer.with_location(false).with_threads(false).with_filter(own).boxed()
    }
}

impl Drop for SpanExport {
    fn drop(&mut self) {
        // If the collector does not answer in time, the last spans are lost.
        let _ = self.0.shutdown_with_timeout(FLUSH_WAIT);
    }
}

/// Returns the address of the collector, unless the export is switched off.
fn endpoint() -> Option<String> {
    let is = |name: &str, value: &str| variable(name).is_some_and(|text| text == value);
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    setting("ENDPOINT")
}

/// Returns a setting of the exporter: for traces, or for everything.
fn setting(name: &str) -> Option<String> {
    variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
        .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
