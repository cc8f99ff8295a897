//! Buckets, flows and versions, with the rules by which the servers accept and refuse them.

mod answers;

use answers::Shape;
pub(crate) use answers::all_permissions;

use super::faults::UNEXPECTED;
use super::http::{Answer, percent_encode};
use super::jackson;
use super::json::{Json, Text};
use super::schema::SNAPSHOT;
use super::{Provider, Release};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Characters of a name's database column.
const MAX_NAME_CHARS: usize = 1000;
/// Characters of an identifier's database column.
const MAX_IDENTIFIER_CHARS: usize = 50;

/// A refusal: status and text.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) u16, pub(crate) String);

pub(crate) type Outcome<T> = Result<T, Refused>;

fn refuse<T>(status: u16, text: impl Into<String>) -> Outcome<T> {
    Err(Refused(status, text.into()))
}

fn unexpected<T>() -> Outcome<T> {
    refuse(500, UNEXPECTED)
}

/// How long a version's content takes to write at least: real servers take longer, and races need the overlap.
const WRITE_TIME: Duration = Duration::from_millis(1);

const NO_BUCKET: &str = "The specified bucket ID does not exist in this registry.";
const NO_FLOW: &str = "The specified flow ID does not exist.";
const NO_FLOW_IN_BUCKET: &str = "The specified flow ID does not exist in this bucket.";
const OTHER_BUCKET: &str = "The requested flow is not located in the given bucket";
const NO_VERSIONS: &str = "The specified flow ID has no versions";
const NO_VERSION: &str = "The specified versioned flow snapshot does not exist for this flow.";
const SAME_FLOW_NAME: &str =
    "A versioned flow with the same name already exists in the selected bucket";

#[derive(Clone, Debug)]
struct Bucket {
    name: Text,
    description: Option<Text>,
    created: i64,
    allow_bundle_redeploy: bool,
    allow_public_read: bool,
}

#[derive(Debug)]
struct Flow {
    bucket: Text,
    name: Text,
    description: Option<Text>,
    created: i64,
    modified: i64,
    /// Version n is at n - 1.
    versions: Vec<Arc<Version>>,
    /// The content of the next number is being written, or was when the server was killed.
    content_without_version: bool,
}

/// A stored version. Contents are kept as the text that answers send, about 1.1 times what they hold.
#[derive(Debug)]
struct Version {
    author: Text,
    comments: Option<Text>,
    timestamp: i64,
    contents: Contents,
}

/// Members of a snapshot's answer, each followed by a comma, before and after `flow`.
#[derive(Clone, Debug)]
struct Contents {
    before_flow: Arc<Vec<u8>>,
    after_flow: Arc<Vec<u8>>,
}

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<Text, Bucket>,
    flows: BTreeMap<Text, Flow>,
    identifiers: u64,
}

/// What a version's request asks for beyond its body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    /// `preserveSourceProperties=true`.
    pub(crate) preserve: bool,
    /// Sent to `…/versions/import`, with this `Comments` header.
    pub(crate) import: Option<Option<&'a str>>,
}

/// All that a Registry holds.
#[derive(Debug)]
pub(crate) struct Store {
    release: Release,
    provider: Provider,
    state: Mutex<State>,
}

impl Store {
    pub(crate) fn new(release: Release, provider: Provider) -> Self {
        Self { release, provider, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- buckets --------------------------------------------------------------------------------------------------

    pub(crate) fn buckets(&self) -> Json {
        let state = self.lock();
        Json::Array(
            state.buckets.iter().map(|(id, bucket)| bucket.to_json(id, Shape::Full)).collect(),
        )
    }

    pub(crate) fn bucket(&self, id: &Text) -> Outcome<Json> {
        Ok(self.lock().bucket(id)?.to_json(id, Shape::Full))
    }

    pub(crate) fn create_bucket(&self, body: &Json, preserve: bool) -> Outcome<Json> {
        let preserve = preserve && self.release != Release::V0_8_0;
        let identifier = body.get_text("identifier").filter(|id| !id.is_blank());
        match identifier {
            Some(_) if !preserve => {
                return refuse(
                    400,
                    "Bucket identifier cannot be specified when creating a new bucket.",
                );
            }
            None if preserve => return refuse(400, "Bucket identifier must be specified."),
            _ => {}
        }
        let Some(name) = body.get_text("name").filter(|name| !name.is_blank()) else {
            return refuse(400, "Cannot create Bucket - name must not be blank");
        };
        let mut state = self.lock();
        if state.buckets.values().any(|bucket| bucket.name == *name) {
            return refuse(409, "A bucket with the same name already exists");
        }
        let id = identifier.cloned().unwrap_or_else(|| state.new_identifier());
        if state.buckets.contains_key(&id) || !fits(name, &id) {
            return unexpected();
        }
        let bucket = Bucket {
            name: name.clone(),
            description: body.get_text("description").cloned(),
            created: now(),
            allow_bundle_redeploy: body.get("allowBundleRedeploy") == Some(&Json::Bool(true)),
            allow_public_read: body.get("allowPublicRead") == Some(&Json::Bool(true)),
        };
        let answer = bucket.to_json(&id, Shape::Full);
        state.buckets.insert(id, bucket);
        Ok(answer)
    }

    pub(crate) fn update_bucket(&self, id: &Text, body: &Json) -> Outcome<Json> {
        if body.get_text("identifier").is_some_and(|other| other != id) {
            return refuse(400, "Bucket id in path param must match bucket id in body");
        }
        let mut state = self.lock();
        state.bucket(id)?;
        if let Some(name) = body.get_text("name") {
            if name.is_blank() {
                return refuse(400, "Bucket name cannot be blank");
            }
            if state.buckets.iter().any(|(other, bucket)| other != id && bucket.name == *name) {
                return refuse(409, format!("A bucket with the same name already exists - {name}"));
            }
            if !fits(name, id) {
                return unexpected();
            }
        }
        let Some(bucket) = state.buckets.get_mut(id) else { return refuse(404, NO_BUCKET) };
        bucket.name = body.get_text("name").unwrap_or(&bucket.name).clone();
        bucket.description = body.get_text("description").or(bucket.description.as_ref()).cloned();
        for (field, flag) in [
            ("allowBundleRedeploy", &mut bucket.allow_bundle_redeploy),
            ("allowPublicRead", &mut bucket.allow_public_read),
        ] {
            if let Some(Json::Bool(value)) = body.get(field) {
                *flag = *value;
            }
        }
        Ok(bucket.to_json(id, Shape::Full))
    }

    pub(crate) fn delete_bucket(&self, id: &Text) -> Outcome<Json> {
        let mut state = self.lock();
        let Some(bucket) = state.buckets.remove(id) else { return refuse(404, NO_BUCKET) };
        state.flows.retain(|_, flow| flow.bucket != *id);
        Ok(bucket.to_json(id, Shape::Deleted))
    }

    // ---- flows ----------------------------------------------------------------------------------------------------

    /// The flows of one bucket, or of all.
    pub(crate) fn flows(&self, bucket: Option<&Text>) -> Outcome<Json> {
        let state = self.lock();
        if let Some(bucket) = bucket {
            state.bucket(bucket)?;
        }
        let flows = state
            .flows
            .iter()
            .filter(|(_, flow)| bucket.is_none_or(|bucket| flow.bucket == *bucket));
        Ok(Json::Array(flows.map(|(id, flow)| state.flow_json(id, flow, Shape::Full)).collect()))
    }

    pub(crate) fn flow(&self, bucket: Option<&Text>, id: &Text) -> Outcome<Json> {
        let state = self.lock();
        Ok(state.flow_json(id, state.flow(bucket, id)?, Shape::Full))
    }

    pub(crate) fn create_flow(&self, bucket: &Text, body: &Json) -> Outcome<Json> {
        if body.get_text("bucketIdentifier").is_some_and(|other| other != bucket) {
            return refuse(400, "Bucket id in path param must match bucket id in body");
        }
        let mut wrong = Vec::new();
        if body.get_text("identifier").is_some_and(Text::is_blank) {
            wrong.push("identifier must not be blank");
        }
        if body.get_text("name").is_none_or(Text::is_blank) {
            wrong.push("name must not be blank");
        }
        if !wrong.is_empty() {
            return refuse(400, format!("Cannot create versioned flow - {}", wrong.join(", ")));
        }
        let mut state = self.lock();
        state.bucket(bucket)?;
        let Some(name) = body.get_text("name").cloned() else { return unexpected() };
        if state.flows.values().any(|flow| flow.bucket == *bucket && flow.name == name) {
            return refuse(409, SAME_FLOW_NAME);
        }
        let id = body.get_text("identifier").cloned().unwrap_or_else(|| state.new_identifier());
        // Identifiers are the table's primary key: unique over all buckets.
        if state.flows.contains_key(&id) || !fits(&name, &id) {
            return unexpected();
        }
        let sent = body
            .get_int("createdTimestamp")
            .filter(|time| *time > 0 && self.release != Release::V0_8_0);
        let flow = Flow {
            bucket: bucket.clone(),
            name,
            description: body.get_text("description").cloned(),
            created: sent.unwrap_or_else(now),
            modified: now(),
            versions: Vec::new(),
            content_without_version: false,
        };
        let answer = state.flow_json(&id, &flow, Shape::Full);
        state.flows.insert(id, flow);
        Ok(answer)
    }

    pub(crate) fn update_flow(&self, bucket: &Text, id: &Text, body: &Json) -> Outcome<Json> {
        if body.get_text("bucketIdentifier").is_some_and(|other| other != bucket) {
            return refuse(400, "Bucket id in path param must match bucket id in body");
        }
        if body.get_text("identifier").is_some_and(|other| other != id) {
            return refuse(400, "Item id in path param must match item id in body");
        }
        let mut state = self.lock();
        state.flow_to_change(bucket, id)?;
        if let Some(name) = body.get_text("name") {
            if name.is_blank() {
                return refuse(400, "Versioned flow name cannot be blank");
            }
            let taken = |(other, flow): (&Text, &Flow)| {
                other != id && flow.bucket == *bucket && flow.name == *name
            };
            if state.flows.iter().any(taken) {
                return refuse(409, SAME_FLOW_NAME);
            }
            if !fits(name, id) {
                return unexpected();
            }
        }
        if let Some(flow) = state.flows.get_mut(id) {
            flow.name = body.get_text("name").unwrap_or(&flow.name).clone();
            flow.description = body.get_text("description").or(flow.description.as_ref()).cloned();
            flow.modified = now();
        }
        Ok(state.flow_json(id, state.flow(Some(bucket), id)?, Shape::Full))
    }

    /// Deletes a flow with all versions and all content, also content that has no version.
    pub(crate) fn delete_flow(&self, bucket: &Text, id: &Text) -> Outcome<Json> {
        let mut state = self.lock();
        state.flow_to_change(bucket, id)?;
        let Some(mut flow) = state.flows.remove(id) else { return refuse(404, NO_FLOW) };
        flow.versions.clear();
        Ok(state.flow_json(id, &flow, Shape::Deleted))
    }

    // ---- versions -------------------------------------------------------------------------------------------------

    /// Metadata of all versions, newest first.
    pub(crate) fn versions(&self, bucket: Option<&Text>, id: &Text) -> Outcome<Json> {
        let state = self.lock();
        let flow = state.flow(bucket, id)?;
        let numbered = flow.versions.iter().enumerate().rev();
        Ok(Json::Array(
            numbered
                .map(|(index, version)| version.metadata(&flow.bucket, id, index + 1))
                .collect(),
        ))
    }

    pub(crate) fn latest_metadata(&self, bucket: Option<&Text>, id: &Text) -> Outcome<Json> {
        let state = self.lock();
        let flow = state.flow_of_version(bucket, id)?;
        let Some(latest) = flow.versions.last() else { return refuse(404, NO_VERSIONS) };
        Ok(latest.metadata(&flow.bucket, id, flow.versions.len()))
    }

    /// One version with its contents; the latest if `number` is `None`.
    pub(crate) fn version(
        &self,
        bucket: Option<&Text>,
        id: &Text,
        number: Option<usize>,
    ) -> Outcome<Answer> {
        let state = self.lock();
        let flow = state.flow_of_version(bucket, id)?;
        let Some(number) = number.or(Some(flow.versions.len()).filter(|count| *count > 0)) else {
            return refuse(404, NO_VERSIONS);
        };
        let Some(version) = number.checked_sub(1).and_then(|index| flow.versions.get(index)) else {
            return refuse(404, NO_VERSION);
        };
        let metadata = version.metadata(&flow.bucket, id, number);
        state.snapshot(id, flow, &metadata, &version.contents)
    }

    /// One version as a file: without bucket, flow and their identifiers.
    pub(crate) fn export(&self, bucket: &Text, id: &Text, number: usize) -> Outcome<Answer> {
        let state = self.lock();
        let flow = state.flow(Some(bucket), id)?;
        let Some(version) = number.checked_sub(1).and_then(|index| flow.versions.get(index)) else {
            return refuse(404, NO_VERSION);
        };
        let Json::Object(mut metadata) = version.metadata(bucket, id, number) else {
            return unexpected();
        };
        metadata.retain(|(name, _)| {
            !matches!(name.as_bytes(), b"bucketIdentifier" | b"flowIdentifier" | b"link")
        });
        let mut end = b"\"snapshotMetadata\":".to_vec();
        Json::Object(metadata).write(&mut end);
        end.push(b'}');
        let Contents { before_flow, after_flow } = version.contents.clone();
        let mut answer = Answer::new(200, "application/json", Vec::new());
        answer.body = vec![Arc::new(b"{".to_vec()), before_flow, after_flow, Arc::new(end)];
        answer.headers.push(("Content-Disposition", self.file_name(&flow.name, number)));
        Ok(answer)
    }

    /// The header as Jetty sends it: white space is a dash, what ISO 8859-1 lacks a blank.
    fn file_name(&self, name: &Text, number: usize) -> Vec<u8> {
        let mut header = b"attachment; filename=\"".to_vec();
        for unit in name.to_lossy().encode_utf16() {
            header.push(match u8::try_from(unit) {
                Ok(0x09..=0x0D | 0x20) => b'-',
                Ok(0..0x20) if self.release == Release::V2_11_0 => b' ',
                Ok(byte) => byte,
                Err(_) => b' ',
            });
        }
        header.extend_from_slice(format!("-version-{number}.json\"").as_bytes());
        header
    }

    /// Contents of two versions of a flow, lower number first, for a comparison.
    pub(crate) fn pair(
        &self,
        bucket: &Text,
        id: &Text,
        one: usize,
        other: usize,
    ) -> Outcome<[Json; 2]> {
        let state = self.lock();
        let flow = state.flow(Some(bucket), id)?;
        let contents = |number: usize| {
            let Some(version) = number.checked_sub(1).and_then(|index| flow.versions.get(index))
            else {
                let text = format!(
                    "No serialized content found for snapshot with flow identifier {id} and version {number}"
                );
                return refuse(409, text);
            };
            let text = [b"{", version.contents.after_flow.as_slice(), b"\"end\":0}"].concat();
            let snapshot =
                jackson::read(&text, &SNAPSHOT, self.release).map_err(|text| Refused(500, text))?;
            Ok(snapshot
                .as_ref()
                .and_then(|snapshot| snapshot.get("flowContents"))
                .cloned()
                .unwrap_or(Json::Null))
        };
        Ok([contents(one.min(other))?, contents(one.max(other))?])
    }

    /// Stores a version if its number is the next one, and echoes it.
    pub(crate) fn create_version(
        &self,
        bucket: &Text,
        id: &Text,
        body: &Json,
        asked: Asked<'_>,
    ) -> Outcome<Answer> {
        let plan = self.plan_version(bucket, id, body, asked)?;
        let number = {
            let mut state = self.lock();
            state.bucket(bucket)?;
            state.flow(Some(bucket), id)?;
            let Some(flow) = state.flows.get_mut(id) else { return refuse(404, NO_FLOW) };
            let number = next_number(flow.versions.len(), plan.number)?;
            if self.provider == Provider::File && self.release != Release::V0_8_0 {
                // They name directories.
                [bucket, id].into_iter().try_for_each(directory_name)?;
            }
            if flow.content_without_version {
                return unexpected();
            }
            flow.content_without_version = true;
            number
        };
        // Not under the lock: who comes while the content is written is told so, with a 500.
        let contents = Contents::of(body);
        thread::sleep(WRITE_TIME);
        let mut state = self.lock();
        let stored_comments = match self.release {
            Release::V0_8_0 => plan.comments.as_ref().map(Text::without_lone_surrogates),
            _ => plan.comments.clone(),
        };
        let sent = Version {
            comments: plan.comments,
            ..Version::new(&plan.author, plan.timestamp, &contents)
        };
        let stored = Version {
            comments: stored_comments,
            ..Version::new(&plan.author, plan.timestamp, &contents)
        };
        let Some(flow) = state.flows.get_mut(id) else { return unexpected() };
        flow.versions.push(Arc::new(stored));
        flow.content_without_version = false;
        flow.modified = now();
        let flow = state.flow(Some(bucket), id)?;
        state.snapshot(id, flow, &sent.metadata(bucket, id, number), &contents)
    }

    /// Checks all that needs no look at what is stored.
    fn plan_version(
        &self,
        bucket: &Text,
        id: &Text,
        body: &Json,
        asked: Asked<'_>,
    ) -> Outcome<Plan> {
        let metadata = body.get("snapshotMetadata");
        let metadata_text = |name| metadata.and_then(|metadata| metadata.get_text(name));
        let metadata_int = |name| metadata.and_then(|metadata| metadata.get_int(name));
        let mut plan = Plan {
            number: metadata_int("version").unwrap_or(0),
            author: Text::from("anonymous"),
            timestamp: now(),
            comments: metadata_text("comments").cloned(),
        };
        if let Some(header) = asked.import {
            plan.number = -1;
            plan.comments =
                header.filter(|text| !text.is_empty()).map(Text::from).or(plan.comments);
        } else {
            if metadata_text("bucketIdentifier").is_some_and(|other| other != bucket) {
                return refuse(400, "Bucket id in path param must match bucket id in body");
            }
            if metadata_text("flowIdentifier").is_some_and(|other| other != id) {
                return refuse(400, "Flow id in path param must match flow id in body");
            }
            if self.release != Release::V0_8_0 {
                let timestamp = metadata_int("timestamp").filter(|time| *time > 0);
                if asked.preserve {
                    let author = metadata_text("author").filter(|author| !author.is_blank());
                    let Some(author) = author else {
                        return refuse(400, "Author must not be blank");
                    };
                    if timestamp.is_none() {
                        return refuse(400, "Invalid timestamp");
                    }
                    plan.author = author.clone();
                }
                plan.timestamp = timestamp.unwrap_or(plan.timestamp);
            }
        }
        let mut wrong = Vec::new();
        if plan.number < -1 {
            wrong.push("version must be greater than or equal to -1");
        }
        if body.get("flowContents").is_none() {
            wrong.push("flowContents must not be null");
        }
        if !wrong.is_empty() {
            return refuse(
                400,
                format!("Cannot create versioned flow snapshot - {}", wrong.join(", ")),
            );
        }
        if plan.number == 0 {
            return refuse(
                400,
                "Version must be greater than zero, or use -1 to indicate latest version",
            );
        }
        Ok(plan)
    }

    /// Replaces text in the stored contents of a version; false if there is none such.
    pub(crate) fn alter_contents(&self, id: &Text, number: usize, from: &str, to: &str) -> bool {
        let mut state = self.lock();
        let versions = state.flows.get_mut(id).map(|flow| &mut flow.versions);
        let index = number.wrapping_sub(1);
        let Some(version) = versions.and_then(|versions| versions.get_mut(index)) else {
            return false;
        };
        let stored = String::from_utf8_lossy(&version.contents.after_flow).into_owned();
        let altered = Arc::new(stored.replace(from, to).into_bytes());
        let changed = *altered != *version.contents.after_flow;
        let Version { author, comments, timestamp, contents } = version.as_ref();
        let contents =
            Contents { after_flow: altered, before_flow: Arc::clone(&contents.before_flow) };
        let (author, comments, timestamp) = (author.clone(), comments.clone(), *timestamp);
        *version = Arc::new(Version { author, comments, timestamp, contents });
        changed
    }

    /// Leaves the flow as a kill in the middle of a write does: content without a version.
    pub(crate) fn orphan_next(&self, id: &Text) {
        if let Some(flow) = self.lock().flows.get_mut(id) {
            flow.content_without_version = true;
        }
    }
}

/// What a version's metadata will say.
struct Plan {
    number: i64,
    author: Text,
    timestamp: i64,
    comments: Option<Text>,
}

/// The compare-and-swap: the number that `wanted` gets in a flow of `last` versions.
fn next_number(last: usize, wanted: i64) -> Outcome<usize> {
    if wanted == -1 {
        return Ok(last + 1);
    }
    let number = usize::try_from(wanted).unwrap_or(0);
    if number == last + 1 {
        Ok(number)
    } else if last == 0 {
        refuse(409, "Version of first snapshot must be 1")
    } else if number <= last {
        refuse(
            409,
            format!("A Versioned flow snapshot with the same version already exists: {number}"),
        )
    } else {
        let text = format!(
            "Version must be a one-up number, last version was {last} and version for this snapshot was {number}"
        );
        refuse(409, text)
    }
}

/// The file provider takes UUIDs, by Java's generous reading, and numbers.
fn directory_name(id: &Text) -> Outcome<()> {
    let id = id.to_lossy();
    let parts: Vec<_> = id.split('-').collect();
    let hex = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if (parts.len() == 5 && parts.iter().all(hex)) || id.parse::<i32>().is_ok() {
        Ok(())
    } else {
        refuse(400, format!("Invalid UUID string: {id}"))
    }
}

fn fits(name: &Text, id: &Text) -> bool {
    name.utf16_len() <= MAX_NAME_CHARS && id.utf16_len() <= MAX_IDENTIFIER_CHARS
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl State {
    /// A UUID that this Registry has not given yet.
    fn new_identifier(&mut self) -> Text {
        self.identifiers += 1;
        let seed = format!("{:?} {} {}", SystemTime::now(), std::process::id(), self.identifiers);
        let hash = blake3::hash(seed.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Text::from(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }

    fn bucket(&self, id: &Text) -> Outcome<&Bucket> {
        self.buckets.get(id).map_or_else(|| refuse(404, NO_BUCKET), Ok)
    }

    /// A flow by itself, or in the bucket that the path names.
    fn flow(&self, bucket: Option<&Text>, id: &Text) -> Outcome<&Flow> {
        let Some(bucket) = bucket else {
            return self.flows.get(id).map_or_else(|| refuse(404, NO_FLOW), Ok);
        };
        self.bucket(bucket)?;
        let Some(flow) = self.flows.get(id) else { return refuse(404, NO_FLOW_IN_BUCKET) };
        if flow.bucket == *bucket { Ok(flow) } else { refuse(409, OTHER_BUCKET) }
    }

    /// As [`Self::flow`], with the text that a single version's requests give for an unknown flow without a bucket.
    fn flow_of_version(&self, bucket: Option<&Text>, id: &Text) -> Outcome<&Flow> {
        if bucket.is_none() && !self.flows.contains_key(id) {
            return refuse(404, NO_FLOW_IN_BUCKET);
        }
        self.flow(bucket, id)
    }

    /// As [`Self::flow`], with the text that changes give for an unknown flow.
    fn flow_to_change(&self, bucket: &Text, id: &Text) -> Outcome<()> {
        self.bucket(bucket)?;
        self.flow(None, id)?;
        self.flow(Some(bucket), id).map(drop)
    }

    fn flow_json(&self, id: &Text, flow: &Flow, shape: Shape) -> Json {
        let link = format!(
            "buckets/{}/flows/{}",
            percent_encode(flow.bucket.as_bytes()),
            percent_encode(id.as_bytes())
        );
        let bucket_name = self.buckets.get(&flow.bucket).map(|bucket| &bucket.name);
        Json::object([
            ("bucketIdentifier", Json::Text(flow.bucket.clone())),
            ("bucketName", Json::optional(bucket_name)),
            ("createdTimestamp", Json::Int(flow.created)),
            ("description", Json::optional(flow.description.as_ref())),
            ("identifier", Json::Text(id.clone())),
            ("link", shape.link(link)),
            ("modifiedTimestamp", Json::Int(flow.modified)),
            ("name", Json::Text(flow.name.clone())),
            ("permissions", shape.permissions()),
            ("revision", shape.revision()),
            ("type", Json::text("Flow")),
            ("versionCount", Json::Int(flow.versions.len() as i64)),
        ])
    }

    fn snapshot(
        &self,
        id: &Text,
        flow: &Flow,
        metadata: &Json,
        contents: &Contents,
    ) -> Outcome<Answer> {
        let mut start = b"{\"bucket\":".to_vec();
        self.bucket(&flow.bucket)?
            .to_json(&flow.bucket, Shape::InBucketOfVersion)
            .write(&mut start);
        start.push(b',');
        let mut middle = b"\"flow\":".to_vec();
        self.flow_json(id, flow, Shape::InVersion).write(&mut middle);
        middle.push(b',');
        let mut end = b"\"snapshotMetadata\":".to_vec();
        metadata.write(&mut end);
        end.push(b'}');
        let Contents { before_flow, after_flow } = contents.clone();
        let mut answer = Answer::new(200, "application/json", Vec::new());
        answer.body =
            vec![Arc::new(start), before_flow, Arc::new(middle), after_flow, Arc::new(end)];
        Ok(answer)
    }
}
