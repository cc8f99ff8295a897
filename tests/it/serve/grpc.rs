//! gRPC: NiFi's service, our own, and the standard ones.

use std::collections::HashMap;

use super::{Serve, many};
use crate::program::on;

/// What a client in Rust is made of.
mod proto {
    #![allow(
        clippy::all,
        clippy::allow_attributes_without_reason,
        unreachable_pub,
        dead_code,
        reason = "generated"
    )]

    pub(super) mod nifi {
        tonic::include_proto!("org.apache.nifi.processors.grpc");
    }

    pub(super) mod sidecar {
        tonic::include_proto!("nifi_idb.v1");
    }
}

use prost::Message as _;
pub(super) use proto::nifi::flow_file_reply::ResponseCode;
use proto::nifi::flow_file_service_client::FlowFileServiceClient;
use proto::nifi::{FlowFileReply, FlowFileRequest};
use proto::sidecar::sidecar_client::SidecarClient;
use proto::sidecar::{
    Flow, LogRequest, RestoreRequest, ShowRequest, SourcesRequest, SyncReply, SyncRequest,
    SyncResult, SyncStart, sync_reply, sync_request,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// A client's side.
pub(super) struct Client {
    runtime: tokio::runtime::Runtime,
    channel: Channel,
    token: Option<String>,
    request_id: Option<&'static str>,
}

impl Client {
    pub(super) fn new(server: &Serve) -> Self {
        Self::with(Endpoint::from_shared(format!("http://{}", server.address)).unwrap())
    }

    /// As [`Self::new`], for an endpoint that says more.
    pub(super) fn with(endpoint: Endpoint) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let channel = runtime.block_on(endpoint.connect()).unwrap();
        Self { runtime, channel, token: None, request_id: None }
    }

    /// Sends this token with every batch.
    pub(super) fn with_token(self, token: &str) -> Self {
        Self { token: Some(format!("Bearer {token}")), ..self }
    }

    /// Names every request.
    pub(super) fn with_request_id(self, id: &'static str) -> Self {
        Self { request_id: Some(id), ..self }
    }

    fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.parse().unwrap());
        }
        if let Some(id) = self.request_id {
            request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        }
        request
    }

    /// The id that the answer to a call has.
    pub(super) fn answered_id(&self) -> String {
        let mut client = FlowFileServiceClient::new(self.channel.clone());
        let call = client.send(self.request(FlowFileRequest::default()));
        let answer = self.runtime.block_on(call).unwrap();
        answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned()
    }

    /// What InvokeGRPC does.
    pub(super) fn send(
        &self,
        attributes: &[(&str, &str)],
        content: &[u8],
    ) -> Result<FlowFileReply, Status> {
        let mut client = FlowFileServiceClient::new(self.channel.clone());
        let attributes = owned(attributes);
        let message = FlowFileRequest { id: 7, attributes, content: content.to_vec().into() };
        self.runtime.block_on(client.send(self.request(message))).map(tonic::Response::into_inner)
    }

    /// A batch in pieces; gives the report and how it ended.
    pub(super) fn sync(
        &self,
        flow: Option<Flow>,
        attributes: &[(&str, &str)],
        content: &[u8],
    ) -> Result<(Vec<u8>, SyncResult), Status> {
        self.sync_with(flow, attributes, content, false)
    }

    /// As [`Self::sync`]; may ask for what others wrote.
    pub(super) fn sync_with(
        &self,
        flow: Option<Flow>,
        attributes: &[(&str, &str)],
        content: &[u8],
        pull: bool,
    ) -> Result<(Vec<u8>, SyncResult), Status> {
        let start = SyncStart { flow, attributes: owned(attributes), pull };
        let mut parts = vec![sync_request::Part::Start(start)];
        parts.extend(
            content.chunks(10_000).map(|piece| sync_request::Part::Content(piece.to_vec().into())),
        );
        let messages: Vec<_> =
            parts.into_iter().map(|part| SyncRequest { part: Some(part) }).collect();
        let mut client = SidecarClient::new(self.channel.clone());
        self.runtime.block_on(async {
            let mut replies =
                client.sync(self.request(tokio_stream::iter(messages))).await?.into_inner();
            let mut report = Vec::new();
            while let Some(SyncReply { part }) = replies.message().await? {
                match part.unwrap() {
                    sync_reply::Part::Report(bytes) => report.extend_from_slice(&bytes),
                    sync_reply::Part::Result(result) => return Ok((report, result)),
                }
            }
            panic!("there was no result");
        })
    }

    /// As [`Self::sync`], to a flow by its name.
    pub(super) fn sync_to(
        &self,
        bucket: &str,
        flow: &str,
        attributes: &[(&str, &str)],
        content: &[u8],
    ) -> Result<(Vec<u8>, SyncResult), Status> {
        let flow = Flow { bucket: bucket.to_owned(), flow: flow.to_owned() };
        self.sync(Some(flow), attributes, content)
    }

    /// A batch in two parts, each in messages of `size` bytes.
    fn sync_in(&self, size: usize, first: &str, second: &str) -> Result<(), Status> {
        let start = SyncStart { flow: None, attributes: owned(&super::TO), pull: false };
        let mut parts = vec![sync_request::Part::Start(start)];
        let pieces = first.as_bytes().chunks(size).chain(second.as_bytes().chunks(size));
        parts.extend(pieces.map(|piece| sync_request::Part::Content(piece.to_vec().into())));
        let messages: Vec<_> =
            parts.into_iter().map(|part| SyncRequest { part: Some(part) }).collect();
        let mut client = SidecarClient::new(self.channel.clone());
        self.runtime.block_on(async {
            let mut replies = client.sync(tokio_stream::iter(messages)).await?.into_inner();
            while replies.message().await?.is_some() {}
            Ok(())
        })
    }

    /// Calls that send their head and no message; they end when the client is dropped.
    pub(super) fn send_nothing(&self, calls: usize) {
        use tonic::codegen::http::uri::PathAndQuery;
        for _ in 0..calls {
            let channel = self.channel.clone();
            self.runtime.spawn(async move {
                let mut grpc = tonic::client::Grpc::new(channel);
                grpc.ready().await.unwrap();
                let path = PathAndQuery::from_static(
                    "/org.apache.nifi.processors.grpc.FlowFileService/Send",
                );
                let codec = tonic_prost::ProstCodec::<FlowFileRequest, FlowFileReply>::default();
                let nothing = tonic::Request::new(tokio_stream::pending::<FlowFileRequest>());
                let _ = grpc.client_streaming(nothing, path, codec).await;
            });
            let mut client = SidecarClient::new(self.channel.clone());
            self.runtime.spawn(async move {
                client.sync(tokio_stream::pending::<SyncRequest>()).await.map(drop)
            });
        }
        self.runtime
            .block_on(async { tokio::time::sleep(std::time::Duration::from_millis(300)).await });
    }

    fn sidecar<T>(
        &self,
        call: impl AsyncFnOnce(SidecarClient<Channel>) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let client = SidecarClient::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        self.runtime.block_on(call(client))
    }
}

fn owned(attributes: &[(&str, &str)]) -> HashMap<String, String> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn shop() -> Option<Flow> {
    Some(Flow { bucket: String::new(), flow: "shop".to_owned() })
}

#[test]
fn nifis_service_says_where_a_flowfile_is_to_go() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let client = Client::new(&server);
    let mut attributes = super::TO.to_vec();
    attributes.extend([("uuid", "u-1"), ("filename", "caf\u{e9}"), ("path", "./")]);
    let done = client.send(&attributes, many(10).as_bytes()).unwrap();
    assert_eq!(done.response_code(), ResponseCode::Success);
    assert!(
        done.body.contains("\"outcome\":\"committed\"") && done.body.contains("\"put\":10"),
        "{}",
        done.body
    );
    let again = client.send(&attributes, many(10).as_bytes()).unwrap();
    assert!(again.body.contains("\"outcome\":\"unchanged\""), "{}", again.body);
    // A gap is transient; what is cut off is not.
    let header = "{\"format\":\"indexeddb-changes/1\",\"database\":\"shop\",\"source\":\"a\",\"epoch\":\"e\",\"first\":5,\
        \"last\":5,\"stores\":[{\"name\":\"data\",\"keyPath\":\"id\"}]}\n";
    let line = "{\"op\":\"put\",\"store\":\"data\",\"value\":{\"id\":1}}\n";
    let gap = client
        .send(&[], format!("{header}{line}{{\"op\":\"end\",\"count\":1}}\n").as_bytes())
        .unwrap();
    assert_eq!(gap.response_code(), ResponseCode::Retry);
    assert!(gap.body.ends_with("\"status\":4,\"type\":\"error\"}"), "{}", gap.body);
    let cut = client.send(&[], format!("{header}{line}").as_bytes()).unwrap();
    assert_eq!(cut.response_code(), ResponseCode::Error);
    assert!(cut.body.contains("\"status\":5") && cut.body.is_ascii(), "{}", cut.body);
    let wrong = client.send(&[("indexeddb.mode", "half")], b"{}").unwrap();
    assert_eq!(wrong.response_code(), ResponseCode::Error);
    let counted = |code: &str| {
        let labels = format!("{{edge=\"grpc\",route=\"FlowFileService/Send\",status=\"{code}\"}}");
        server.metric(&format!("nifi_idb_requests_total{labels}"))
    };
    assert_eq!(["SUCCESS", "RETRY", "ERROR"].map(counted), [Some(2.0), Some(1.0), Some(2.0)]);
}

#[test]
fn a_message_may_be_large_up_to_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-message-bytes", "8000000"]);
    let client = Client::new(&server);
    // Above what gRPC takes by itself, 4 MiB.
    let done = client.send(&super::TO, many(50_000).as_bytes()).unwrap();
    assert_eq!(done.response_code(), ResponseCode::Success, "{}", done.body);
    let refused = client.send(&super::TO, many(90_000).as_bytes()).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    // The same for one message of a stream, wherever it comes.
    for before in [0, 3] {
        let refused = client.sync_in(8_500_000, &many(10 * before), &many(90_000)).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    }
}

#[test]
fn our_own_service_does_what_the_commands_do() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let client = Client::new(&server);
    let (report, result) = client.sync(shop(), &super::TO, many(3_000).as_bytes()).unwrap();
    assert_eq!((result.status, result.error.as_str()), (0, ""));
    assert_eq!(result.attributes["sync.put"], "3000");
    assert_eq!(String::from_utf8(report).unwrap().lines().last(), Some(result.summary.as_str()));
    let (report, result) = client.sync(shop(), &super::TO, b"7\n{\"id\":\"x\"}\n").unwrap();
    let report = String::from_utf8(report).unwrap();
    assert!(
        report.starts_with("{") && report.contains("\"type\":\"rejected\"") && result.status == 0,
        "{report}"
    );

    let command = |arguments: &[&str]| {
        String::from_utf8(on(dir.path(), arguments[0], &arguments[1..], b"").done()).unwrap()
    };
    let restored = client.sidecar(async |mut client| {
        let request = RestoreRequest { flow: shop(), version: 1, ..RestoreRequest::default() };
        let mut pieces = client.restore(request).await?.into_inner();
        let mut all = Vec::new();
        while let Some(piece) = pieces.message().await? {
            all.extend_from_slice(&piece.content);
        }
        Ok(all)
    });
    assert!(restored.unwrap() == command(&["restore", "--at", "1"]).into_bytes());
    let request = ShowRequest {
        flow: shop(),
        version: 0,
        object_store: "data".to_owned(),
        key: "17".to_owned(),
    };
    let shown = client.sidecar(async |mut client| client.show(request).await).unwrap().into_inner();
    assert_eq!(shown.text + "\n", command(&["show", "--object-store", "data", "--key", "17"]));
    let log =
        client.sidecar(async |mut client| client.log(LogRequest { flow: shop(), limit: 1 }).await);
    let log = log.unwrap().into_inner().versions;
    assert_eq!((log.len(), log[0].version), (1, 2));
    assert!(command(&["log", "--format", "json"]).contains(&log[0].root));
    let request = SourcesRequest { flow: shop(), source: "kiosk-7".to_owned() };
    let sources = client
        .sidecar(async |mut client| client.sources(request).await)
        .unwrap()
        .into_inner()
        .sources;
    assert_eq!((sources[0].checkpoint, &sources[0].epoch, sources[0].version), (0, &None, Some(2)));

    let missing = ShowRequest { flow: shop(), version: 9, ..ShowRequest::default() };
    let missing = client.sidecar(async |mut client| client.show(missing).await).unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let unnamed =
        client.sidecar(async |mut client| client.log(LogRequest::default()).await).unwrap_err();
    assert_eq!(unnamed.code(), Code::InvalidArgument);
}

#[test]
fn who_waits_while_it_stops_and_who_comes_then_hears_unavailable() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &["--max-requests", "1"]);
    let client = Client::new(&server);
    let mut open = server.connect();
    open.write_all(super::head("POST", "/v1/sync", &[("content-length", "10")]).as_bytes())
        .unwrap();
    while server.metric("nifi_idb_requests_in_flight") != Some(1.0) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let waiting = std::thread::spawn(move || client.send(&super::TO, b"{\"id\":1}\n"));
    while server.metric("nifi_idb_requests_waiting") != Some(1.0) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let client = Client::new(&server);
    server.signal(rustix::process::Signal::TERM);
    let waited = waiting.join().unwrap().unwrap_err();
    assert_eq!(
        (waited.code(), waited.message()),
        (Code::Unavailable, "the server is being stopped: try again")
    );
    while server.get("/readyz").status != 503 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let stopping = client.send(&super::TO, b"{\"id\":1}\n").unwrap_err();
    assert_eq!(
        (stopping.code(), stopping.message()),
        (Code::Unavailable, "the server is being stopped: try again")
    );
}

#[test]
fn health_and_reflection_answer() {
    use tonic_health::pb::health_client::HealthClient;
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let client = Client::new(&server);
    for service in ["", "org.apache.nifi.processors.grpc.FlowFileService", "nifi_idb.v1.Sidecar"] {
        let mut health = HealthClient::new(client.channel.clone());
        let asked = health.check(HealthCheckRequest { service: service.to_owned() });
        let answer = client.runtime.block_on(asked).unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let mut reflection = ServerReflectionClient::new(client.channel.clone());
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answer = client.runtime.block_on(async {
        let mut answers = reflection
            .server_reflection_info(tokio_stream::iter([ask]))
            .await
            .unwrap()
            .into_inner();
        answers.message().await.unwrap().unwrap()
    });
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}")
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in [
        "org.apache.nifi.processors.grpc.FlowFileService",
        "nifi_idb.v1.Sidecar",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_call_without_its_message_holds_no_slot() {
    let dir = tempfile::tempdir().unwrap();
    let server =
        Serve::start(dir.path(), &["--max-requests", "2", "--idle", "2s", "--deadline", "20s"]);
    let client = Client::new(&server);
    client.send_nothing(4);
    server.wait_for_metric("nifi_idb_requests_in_flight", 0.0);
    let start = std::time::Instant::now();
    server.post("/v1/sync", &super::TO, many(10).as_bytes()).expect(200);
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    // They are given up when nothing comes.
    let late = "nifi_idb_requests_total{edge=\"grpc\",route=\"FlowFileService/Send\",status=\"DeadlineExceeded\"}";
    while server.metric(late) != Some(4.0) {
        assert!(start.elapsed() < std::time::Duration::from_secs(18), "{:?}", server.metric(late));
        client
            .runtime
            .block_on(async { tokio::time::sleep(std::time::Duration::from_millis(100)).await });
    }
}

/// Whoever gives a call no time is told that it is over, and nothing was tried. A client of this kind heeds its own clock
/// first, so the call is put together by hand.
#[test]
fn a_call_without_time_is_late() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let message = FlowFileRequest { id: 1, attributes: owned(&super::TO), content: many(1).into() }
        .encode_to_vec();
    let calls = [
        (
            "org.apache.nifi.processors.grpc.FlowFileService/Send",
            "FlowFileService/Send",
            message.as_slice(),
        ),
        ("nifi_idb.v1.Sidecar/Log", "Sidecar/Log", b""),
    ];
    for (path, name, message) in calls {
        for (number, timeout) in ["1n", "0S", "1u"].into_iter().enumerate() {
            let _open = raw_call(&server, path, timeout, message);
            let late = format!(
                "nifi_idb_requests_total{{edge=\"grpc\",route=\"{name}\",status=\"DeadlineExceeded\"}}"
            );
            let start = std::time::Instant::now();
            while server.metric(&late) != Some(number as f64 + 1.0) {
                assert!(start.elapsed() < std::time::Duration::from_secs(20), "{path} {timeout}");
            }
        }
    }
    server.get("/v1/flows/indexeddb/shop/versions").expect(404);
    let _open = raw_call(&server, calls[0].0, "99999999H", &message);
    while server.metric("nifi_idb_records_total{what=\"put\"}") != Some(1.0) {}
}

/// A call over HTTP/2 in clear, frame by frame.
fn raw_call(server: &Serve, path: &str, timeout: &str, message: &[u8]) -> std::net::TcpStream {
    let frame = |kind: u8, flags: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    };
    let path = format!("/{path}");
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", timeout),
    ];
    // HPACK: each field is a literal, its length in one byte.
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let fields = fields.map(|(name, value)| [vec![0], text(name), text(value)].concat()).concat();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let data = [&[0], &length[..], message].concat();
    let mut stream = server.connect();
    let all = [super::silent::PREFACE, &frame(1, 4, &fields), &frame(0, 1, &data)].concat();
    std::io::Write::write_all(&mut stream, &all).unwrap();
    stream
}

#[test]
fn a_misspelt_attribute_of_a_flowfile_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let client = Client::new(&server);
    let attributes = [&super::TO[..], &[("indexeddb.mod", "full")]].concat();
    let refused = client.send(&attributes, many(1).as_bytes()).unwrap();
    assert_eq!(refused.response_code(), ResponseCode::Error);
    assert!(
        refused.body.contains("indexeddb.mod ") && refused.body.contains("\"status\":2"),
        "{}",
        refused.body
    );
    let (_, result) = client.sync(shop(), &attributes, many(1).as_bytes()).unwrap();
    assert!(result.status == 2 && result.error.contains("indexeddb.mod "), "{result:?}");
    server.get("/v1/flows/indexeddb/shop/versions").expect(404);
}

#[test]
fn a_flowfile_has_no_more_attributes_than_in_a_package() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::start(dir.path(), &[]);
    let client = Client::new(&server);
    let names: Vec<_> = (0..60_000).map(|number| format!("n{number}")).collect();
    let mut attributes: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    attributes.extend(super::TO);
    let refused = client.send(&attributes, many(1).as_bytes()).unwrap();
    assert_eq!(refused.response_code(), ResponseCode::Error);
    assert!(refused.body.contains("more than 1024 attributes"), "{}", refused.body);
    let value = "v".repeat(1024 * 1024 + 1);
    let refused = client.send(&[("long", &value)], many(1).as_bytes()).unwrap();
    assert!(refused.body.contains("an attribute whose value"), "{}", refused.body);
    let status = client.sync(shop(), &attributes, many(1).as_bytes()).unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
}
