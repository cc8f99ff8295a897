//! The JSON of buckets, flows and versions, as each kind of answer has it.

use super::*;

/// Which of the fields that are computed an answer has.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Full,
    Deleted,
    InVersion,
    InBucketOfVersion,
}

impl Shape {
    pub(super) fn link(self, href: String) -> Json {
        if self == Self::Deleted { Json::Null } else { link(href, "self") }
    }

    pub(super) fn permissions(self) -> Json {
        match self {
            Self::Full | Self::InBucketOfVersion => all_permissions(),
            Self::Deleted | Self::InVersion => Json::Null,
        }
    }

    pub(super) fn revision(self) -> Json {
        match self {
            Self::Full | Self::Deleted => Json::object([("version", Json::Int(0))]),
            Self::InVersion | Self::InBucketOfVersion => Json::Null,
        }
    }
}

pub(crate) fn all_permissions() -> Json {
    Json::object([
        ("canDelete", Json::Bool(true)),
        ("canRead", Json::Bool(true)),
        ("canWrite", Json::Bool(true)),
    ])
}

pub(super) fn link(href: String, rel: &str) -> Json {
    Json::object([
        ("href", Json::Text(Text::from(href))),
        ("params", Json::object([("rel", Json::text(rel))])),
    ])
}

impl Bucket {
    pub(super) fn to_json(&self, id: &Text, shape: Shape) -> Json {
        Json::object([
            ("allowBundleRedeploy", Json::Bool(self.allow_bundle_redeploy)),
            ("allowPublicRead", Json::Bool(self.allow_public_read)),
            ("createdTimestamp", Json::Int(self.created)),
            ("description", Json::optional(self.description.as_ref())),
            ("identifier", Json::Text(id.clone())),
            ("link", shape.link(format!("buckets/{}", percent_encode(id.as_bytes())))),
            ("name", Json::Text(self.name.clone())),
            ("permissions", shape.permissions()),
            ("revision", shape.revision()),
        ])
    }
}

impl Version {
    pub(super) fn new(author: &Text, timestamp: i64, contents: &Contents) -> Self {
        Self { author: author.clone(), comments: None, timestamp, contents: contents.clone() }
    }

    pub(super) fn metadata(&self, bucket: &Text, flow: &Text, number: usize) -> Json {
        let (bucket_part, flow_part) =
            (percent_encode(bucket.as_bytes()), percent_encode(flow.as_bytes()));
        Json::object([
            ("author", Json::Text(self.author.clone())),
            ("bucketIdentifier", Json::Text(bucket.clone())),
            ("comments", Json::optional(self.comments.as_ref())),
            ("flowIdentifier", Json::Text(flow.clone())),
            (
                "link",
                link(
                    format!("buckets/{bucket_part}/flows/{flow_part}/versions/{number}"),
                    "content",
                ),
            ),
            ("timestamp", Json::Int(self.timestamp)),
            ("version", Json::Int(number as i64)),
        ])
    }
}

impl Contents {
    pub(super) fn of(body: &Json) -> Self {
        let members = |names: &[&str]| {
            let mut text = Vec::new();
            for name in names {
                if let Some(value) = body.get(name) {
                    text.extend_from_slice(format!("\"{name}\":").as_bytes());
                    value.write(&mut text);
                    text.push(b',');
                }
            }
            text.shrink_to_fit();
            Arc::new(text)
        };
        Self {
            before_flow: members(&["externalControllerServices"]),
            after_flow: members(&[
                "flowContents",
                "flowEncodingVersion",
                "parameterContexts",
                "parameterProviders",
            ]),
        }
    }
}
