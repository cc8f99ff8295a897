//! Which resource and method does what.

use super::Release;
use super::diff;
use super::faults::UNEXPECTED;
use super::http::{Answer, Request, percent_decode};
use super::jackson;
use super::json::{Json, Text};
use super::schema::{BUCKET, Class, FLOW, SNAPSHOT};
use super::store::{Asked, Outcome, Refused, Store, all_permissions};

/// Where the API is.
pub(crate) const BASE: &str = "/nifi-registry-api";
/// The cookie that 2.x sets, and wants repeated as a header if it comes back.
const TOKEN_COOKIE: &str = "__Secure-Request-Token";

const BUCKET_FIELDS: &[&str] = &["ID", "NAME", "DESCRIPTION", "CREATED"];
const ITEM_FIELDS: &[&str] =
    &["ID", "NAME", "DESCRIPTION", "CREATED", "MODIFIED", "ITEM_TYPE", "BUCKET_ID"];

enum Resource {
    About,
    Config,
    Access,
    Token,
    Managed,
    Health,
    Actuator,
    Fields(&'static [&'static str]),
    Buckets,
    Bucket(Text),
    Items(Option<Text>),
    Flows(Text),
    Flow(Option<Text>, Text),
    Versions(Option<Text>, Text),
    Import(Text, Text),
    Latest(Option<Text>, Text),
    LatestMetadata(Option<Text>, Text),
    Version(Option<Text>, Text, String),
    Export(Text, Text, String),
    Diff(Text, Text, String, String),
}

/// Finds the resource of a decoded path. 0.8.0 has no `/about`, export and import.
fn resource(segments: &[Vec<u8>], release: Release) -> Option<Resource> {
    let newer = release != Release::V0_8_0;
    let text = |index: usize| {
        segments.get(index).map(|bytes| Text::from_wtf8(bytes.clone())).unwrap_or(Text::from(""))
    };
    let digits = |index: usize| {
        let number = segments.get(index).and_then(|bytes| String::from_utf8(bytes.clone()).ok())?;
        (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
    };
    let names: Vec<&str> =
        segments.iter().map(|bytes| std::str::from_utf8(bytes).unwrap_or("?")).collect();
    Some(match names.as_slice() {
        ["about"] if newer => Resource::About,
        ["config"] => Resource::Config,
        ["access"] => Resource::Access,
        ["access", "token"] | ["access", "token", "login"] => Resource::Token,
        ["policies"] | ["tenants", "users"] => Resource::Managed,
        ["actuator", "health"] => Resource::Health,
        ["actuator"] => Resource::Actuator,
        ["buckets", "fields"] => Resource::Fields(BUCKET_FIELDS),
        ["flows" | "items", "fields"] => Resource::Fields(ITEM_FIELDS),
        ["items"] => Resource::Items(None),
        ["items", _] => Resource::Items(Some(text(1))),
        ["buckets"] => Resource::Buckets,
        ["buckets", _] => Resource::Bucket(text(1)),
        ["buckets", _, "flows"] => Resource::Flows(text(1)),
        ["buckets", _, "flows", _, "diff", _, _] => {
            Resource::Diff(text(1), text(3), digits(5)?, digits(6)?)
        }
        ["buckets", _, "flows", _, "versions", _, "export"] if newer => {
            Resource::Export(text(1), text(3), digits(5)?)
        }
        ["buckets", _, "flows", _, "versions", "import"] if newer => {
            Resource::Import(text(1), text(3))
        }
        ["buckets", _, "flows", _, rest @ ..] => of_flow(Some(text(1)), text(3), rest, digits(5))?,
        ["flows", _, rest @ ..] => of_flow(None, text(1), rest, digits(3))?,
        _ => return None,
    })
}

fn of_flow(
    bucket: Option<Text>,
    flow: Text,
    rest: &[&str],
    number: Option<String>,
) -> Option<Resource> {
    Some(match rest {
        [] => Resource::Flow(bucket, flow),
        ["versions"] => Resource::Versions(bucket, flow),
        ["versions", "latest"] => Resource::Latest(bucket, flow),
        ["versions", "latest", "metadata"] => Resource::LatestMetadata(bucket, flow),
        ["versions", _] => Resource::Version(bucket, flow, number?),
        _ => return None,
    })
}

/// Answers a request that no fault has struck.
pub(crate) fn answer(
    store: &Store,
    release: Release,
    request: &Request,
    dead_database: bool,
) -> Answer {
    let token = request.cookie(TOKEN_COOKIE).filter(|_| release == Release::V2_11_0);
    let outcome = if let Some(token) = token
        && !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
        && request.header("Request-Token") != Some(token)
    {
        Err(Refused(403, "Access Denied: CSRF Header and Cookie not matched\n".to_owned()))
    } else if request.target.to_ascii_uppercase().contains("%2F") && release == Release::V2_11_0 {
        let page =
            error_page(400, "Ambiguous URI path separator", &absolute(request, &request.target));
        return Answer::new(400, HTML, page.into_bytes());
    } else {
        carry_out(store, release, request, dead_database)
    };
    let mut answer = outcome.unwrap_or_else(|Refused(status, text)| plain(release, status, &text));
    if release == Release::V2_11_0 && request.cookie(TOKEN_COOKIE).is_none() {
        let token =
            uuid::Builder::from_random_bytes(*first_16(&blake3::hash(request.target.as_bytes())))
                .into_uuid();
        let cookie = format!("{TOKEN_COOKIE}={token}; Path=/; Secure; SameSite=Strict");
        answer.headers.push(("Set-Cookie", cookie.into_bytes()));
    }
    answer
}

fn first_16(hash: &blake3::Hash) -> &[u8; 16] {
    hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// An error as the servers give it: its text, and nothing else.
pub(crate) fn plain(release: Release, status: u16, text: &str) -> Answer {
    let kind =
        if release == Release::V2_11_0 { "text/plain;charset=iso-8859-1" } else { "text/plain" };
    Answer::new(status, kind, text.as_bytes().to_vec())
}

const HTML: &str = "text/html;charset=iso-8859-1";

/// The 431 for too long headers.
pub(crate) fn head_too_long(release: Release, request: &Request) -> Answer {
    let text = "Request Header Fields Too Large";
    let page = match release {
        Release::V2_11_0 => error_page(431, text, &request.target),
        _ => format!("<h1>Bad Message 431</h1><pre>reason: {text}</pre>"),
    };
    let mut answer = Answer::new(431, HTML, page.into_bytes());
    answer.headers.push(("Connection", b"close".to_vec()));
    answer
}

fn error_page(status: u16, text: &str, uri: &str) -> String {
    format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
         <title>Error {status} {text}</title>\n</head>\n<body>\n<h2>HTTP ERROR {status} {text}</h2>\n<table>\n\
         <tr><th>URI:</th><td>{uri}</td></tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n\
         <tr><th>MESSAGE:</th><td>{text}</td></tr>\n</table>\n\
         <hr/><a href=\"https://jetty.org/\">Powered by Jetty:// 12.1.11</a><hr/>\n\n</body>\n</html>\n"
    )
}

fn absolute(request: &Request, path: &str) -> String {
    format!("http://{}{path}", request.header("Host").unwrap_or_default())
}

fn json(value: &Json) -> Answer {
    Answer::new(200, "application/json", value.to_bytes())
}

fn carry_out(
    store: &Store,
    release: Release,
    request: &Request,
    dead_database: bool,
) -> Outcome<Answer> {
    let not_found = || Refused(404, "HTTP 404 Not Found".to_owned());
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let path = path.strip_prefix(BASE).ok_or_else(not_found)?;
    let segments: Vec<_> = path.split('/').skip(1).map(percent_decode).collect();
    let parameter = |name: &str| {
        query.split('&').filter_map(|it| it.split_once('=')).find(|it| it.0 == name).map(|it| it.1)
    };
    if segments.iter().any(|segment| segment.contains(&b'/')) {
        return Err(not_found());
    }
    let resource = resource(&segments, release).ok_or_else(not_found)?;
    if dead_database && needs_database(&resource) {
        return Err(Refused(500, UNEXPECTED.to_owned()));
    }
    let accepted = request.header("Accept").unwrap_or("*/*");
    if !["*/*", "application/*", "application/json"].iter().any(|kind| accepted.contains(kind)) {
        return Err(Refused(500, UNEXPECTED.to_owned()));
    }
    let overriding = request.header("X-HTTP-Method-Override").or(parameter("_method"));
    let method = match request.method.as_str() {
        "HEAD" => "GET",
        "POST" => overriding.unwrap_or("POST"),
        other => other,
    };
    let preserve = parameter("preserveSourceProperties") == Some("true");
    let number =
        |digits: &str| digits.parse::<i32>().map_err(|_| Refused(500, UNEXPECTED.to_owned()));
    let number = |digits: &str| number(digits).map(|number| usize::try_from(number).unwrap_or(0));
    if method == "DELETE"
        && parameter("version").is_some_and(|version| version.parse::<i64>().is_err())
    {
        return Err(Refused(400, "Invalid value for version".to_owned()));
    }
    let body = |class, missing| read_body(request, class, release, missing);
    let bucket_body = || body(&BUCKET, "Bucket cannot be null");
    let flow_body = || body(&FLOW, "Object in body cannot be null");
    let snapshot_body = || body(&SNAPSHOT, "VersionedFlowSnapshot cannot be null in body");
    Ok(match (method, resource) {
        ("GET", Resource::About) => {
            json(&Json::object([("registryAboutVersion", Json::text(release.number()))]))
        }
        ("GET", Resource::Config) => json(&Json::object([
            ("supportsConfigurableAuthorizer", Json::Bool(false)),
            ("supportsConfigurableUsersAndGroups", Json::Bool(false)),
            ("supportsManagedAuthorizer", Json::Bool(false)),
        ])),
        ("GET", Resource::Access) => json(&access()),
        ("POST", Resource::Token) => {
            return Err(Refused(409, "Access tokens are only issued over HTTPS".to_owned()));
        }
        (_, Resource::Managed) => {
            let text = "This NiFi Registry is not configured to internally manage users, groups, or policies. Please \
                        contact your system administrator.";
            return Err(Refused(409, text.to_owned()));
        }
        ("GET", Resource::Health) => health(release),
        ("GET", Resource::Actuator) => actuator(request, release),
        ("GET", Resource::Fields(fields)) => {
            let fields = fields.iter().map(|field| Json::text(field)).collect();
            json(&Json::object([("fields", Json::Array(fields))]))
        }
        ("GET", Resource::Buckets) => json(&store.buckets()),
        ("POST", Resource::Buckets) => json(&store.create_bucket(&bucket_body()?, preserve)?),
        ("GET", Resource::Bucket(id)) => json(&store.bucket(&id)?),
        ("PUT", Resource::Bucket(id)) => json(&store.update_bucket(&id, &bucket_body()?)?),
        ("DELETE", Resource::Bucket(id)) => json(&store.delete_bucket(&id)?),
        ("GET", Resource::Items(bucket)) => json(&store.flows(bucket.as_ref())?),
        ("GET", Resource::Flows(bucket)) => json(&store.flows(Some(&bucket))?),
        ("POST", Resource::Flows(bucket)) => json(&store.create_flow(&bucket, &flow_body()?)?),
        ("GET", Resource::Flow(bucket, id)) => json(&store.flow(bucket.as_ref(), &id)?),
        ("PUT", Resource::Flow(Some(bucket), id)) => {
            json(&store.update_flow(&bucket, &id, &flow_body()?)?)
        }
        ("DELETE", Resource::Flow(Some(bucket), id)) => json(&store.delete_flow(&bucket, &id)?),
        ("GET", Resource::Versions(bucket, flow)) => json(&store.versions(bucket.as_ref(), &flow)?),
        ("POST", Resource::Versions(Some(bucket), flow)) => {
            let asked = Asked { preserve, import: None };
            store.create_version(&bucket, &flow, &snapshot_body()?, asked)?
        }
        ("POST", Resource::Import(bucket, flow)) => {
            let asked = Asked { preserve: false, import: Some(request.header("Comments")) };
            let mut answer = store.create_version(&bucket, &flow, &snapshot_body()?, asked)?;
            let latest = store.latest_metadata(Some(&bucket), &flow)?;
            let version = latest.get_int("version").unwrap_or(0);
            let place = path.strip_suffix("import").unwrap_or(path);
            answer.status = 201;
            answer.headers.push((
                "Location",
                absolute(request, &format!("{BASE}{place}{version}")).into_bytes(),
            ));
            answer
        }
        ("GET", Resource::Latest(bucket, flow)) => store.version(bucket.as_ref(), &flow, None)?,
        ("GET", Resource::LatestMetadata(bucket, flow)) => {
            json(&store.latest_metadata(bucket.as_ref(), &flow)?)
        }
        ("GET", Resource::Version(bucket, flow, digits)) => {
            store.version(bucket.as_ref(), &flow, Some(number(&digits)?))?
        }
        ("GET", Resource::Export(bucket, flow, digits)) => {
            store.export(&bucket, &flow, number(&digits)?)?
        }
        ("GET", Resource::Diff(bucket, flow, one, other)) => {
            let (one, other) = (number(&one)?, number(&other)?);
            let [old, new] = store.pair(&bucket, &flow, one, other)?;
            json(&Json::object([
                ("bucketId", Json::Text(bucket)),
                ("componentDifferenceGroups", diff::differences(&old, &new, release)?),
                ("flowId", Json::Text(flow)),
                ("versionA", Json::Int(one.min(other) as i64)),
                ("versionB", Json::Int(one.max(other) as i64)),
            ]))
        }
        _ => return Err(Refused(405, "HTTP 405 Method Not Allowed".to_owned())),
    })
}

/// True for all that is not answered from memory.
fn needs_database(resource: &Resource) -> bool {
    use Resource::{About, Access, Actuator, Config, Fields, Health, Managed, Token};
    !matches!(resource, About | Access | Actuator | Config | Fields(_) | Health | Managed | Token)
}

fn read_body(
    request: &Request,
    class: &'static Class,
    release: Release,
    missing: &str,
) -> Outcome<Json> {
    let kind = request
        .header("Content-Type")
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if kind != "application/json" {
        return Err(match (kind, release) {
            ("application/xml", Release::V0_8_0) => Refused(400, "HTTP 400 Bad Request".to_owned()),
            _ => Refused(500, UNEXPECTED.to_owned()),
        });
    }
    let body = jackson::read(&request.body, class, release).map_err(|text| Refused(400, text))?;
    body.ok_or_else(|| Refused(400, missing.to_owned()))
}

fn access() -> Json {
    let resources = ["anyTopLevelResource", "buckets", "policies", "proxy", "tenants"];
    Json::object([
        ("anonymous", Json::Bool(true)),
        ("identity", Json::text("anonymous")),
        ("loginSupported", Json::Bool(false)),
        ("oidcloginSupported", Json::Bool(false)),
        (
            "resourcePermissions",
            Json::object(resources.map(|resource| (resource, all_permissions()))),
        ),
    ])
}

const ACTUATOR_TYPE: &str = "application/vnd.spring-boot.actuator.v3+json";

/// Never a probe: the older servers call themselves down when all is well.
fn health(release: Release) -> Answer {
    let (status, code, groups) = match release {
        Release::V2_11_0 => {
            (200, Json::text("UP"), vec![Json::text("liveness"), Json::text("readiness")])
        }
        _ => (
            503,
            Json::object([("code", Json::text("DOWN")), ("description", Json::text(""))]),
            vec![],
        ),
    };
    let body = Json::object([("groups", Json::Array(groups)), ("status", code)]);
    Answer::new(status, ACTUATOR_TYPE, body.to_bytes())
}

fn actuator(request: &Request, release: Release) -> Answer {
    let link = |path: &str, templated| {
        let place = absolute(request, &format!("{BASE}/actuator{path}"));
        Json::object([
            ("href", Json::Text(Text::from(place))),
            ("templated", Json::Bool(templated)),
        ])
    };
    let links = Json::object([
        ("health", link("/health", false)),
        ("health-path", link("/health/{*path}", true)),
        ("info", if release == Release::V0_8_0 { link("/info", false) } else { Json::Null }),
        ("self", link("", false)),
    ]);
    Answer::new(200, ACTUATOR_TYPE, Json::object([("_links", links)]).to_bytes())
}
