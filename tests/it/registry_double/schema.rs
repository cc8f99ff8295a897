//! The classes of a flow snapshot, with the fields that each release keeps; every other field is dropped.
//!
//! Source: the recordings' `every-component-kind`, and for fields that it does not send the releases' data model.

use super::Release;

/// How a field's value is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Int,
    Long,
    Double,
    Bool,
    /// `version` of coordinates: a number up to 1.x, text since 2.0.
    Coordinate,
    Object(&'static Class),
    /// A `HashSet` of components: those of one identifier collapse, the first wins.
    Set(&'static Class),
    /// A `HashSet` that a setter copies, so that `null` is refused.
    CopiedSet(&'static Class),
    List(&'static Class),
    TextSet,
    TextList,
    TextMap,
    Map(&'static Class),
}

/// What a field holds if the request has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Default {
    Absent,
    EmptyArray,
    EmptyMap,
    Zero,
    ZeroPointZero,
    False,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    releases: u8,
    pub(crate) default: Default,
}

impl Field {
    pub(crate) fn is_in(&self, release: Release) -> bool {
        self.releases & bit(release) != 0
    }
}

/// A Java class of the data model.
#[derive(Debug)]
pub(crate) struct Class {
    name: &'static str,
    /// False for classes that never left `org.apache.nifi.registry`.
    moved: bool,
    package: &'static str,
    fields: &'static [Field],
    /// The constant that `componentType` holds in answers; such classes have the common component fields.
    component: Option<&'static str>,
}

impl Class {
    /// The full Java name, which error texts show.
    pub(crate) fn java_name(&self, release: Release) -> String {
        let package = if self.moved && release != Release::V0_8_0 {
            "org.apache.nifi.flow"
        } else {
            self.package
        };
        format!("{package}.{}", self.name)
    }

    pub(crate) fn field(&self, name: &[u8], release: Release) -> Option<&'static Field> {
        self.fields(release).find(|field| field.name.as_bytes() == name)
    }

    /// The fields that `release` has.
    pub(crate) fn fields(&self, release: Release) -> impl Iterator<Item = &'static Field> {
        let common = if self.component(release).is_some() { COMMON } else { &[] };
        self.fields.iter().chain(common).filter(move |field| field.is_in(release))
    }

    pub(crate) fn component(&self, release: Release) -> Option<&'static str> {
        // 0.8.0 does not count parameter contexts as components.
        self.component.filter(|kind| *kind != "PARAMETER_CONTEXT" || release != Release::V0_8_0)
    }

    /// The field by which a set tells its members apart.
    pub(crate) fn identity(&self) -> &'static str {
        if self.component.is_some() { "identifier" } else { "name" }
    }

    /// True if answers name the first of `targetUris` as `targetUri`.
    pub(crate) fn has_target_uri(&self, release: Release) -> bool {
        self.name == "VersionedRemoteProcessGroup" && release != Release::V2_11_0
    }
}

const OLD: u8 = 1;
const V1: u8 = 2;
const V2: u8 = 4;
const ALL: u8 = OLD | V1 | V2;
const NEWER: u8 = V1 | V2;

fn bit(release: Release) -> u8 {
    match release {
        Release::V0_8_0 => OLD,
        Release::V1_28_1 => V1,
        Release::V2_11_0 => V2,
    }
}

const fn field(name: &'static str, kind: Kind, releases: u8) -> Field {
    Field { name, kind, releases, default: Default::Absent }
}

const fn with_default(name: &'static str, kind: Kind, releases: u8, default: Default) -> Field {
    Field { name, kind, releases, default }
}

const fn text(name: &'static str) -> Field {
    field(name, Kind::Text, ALL)
}

const fn children(name: &'static str, class: &'static Class) -> Field {
    with_default(name, Kind::CopiedSet(class), ALL, Default::EmptyArray)
}

const fn class(name: &'static str, fields: &'static [Field]) -> Class {
    Class { name, moved: true, package: "org.apache.nifi.registry.flow", fields, component: None }
}

const fn component(name: &'static str, kind: &'static str, fields: &'static [Field]) -> Class {
    Class {
        name,
        moved: true,
        package: "org.apache.nifi.registry.flow",
        fields,
        component: Some(kind),
    }
}

static COMMON: &[Field] = &[
    text("identifier"),
    field("instanceIdentifier", Kind::Text, NEWER),
    text("groupIdentifier"),
    text("name"),
    text("comments"),
    field("position", Kind::Object(&POSITION), ALL),
];

static POSITION: Class = class(
    "Position",
    &[
        with_default("x", Kind::Double, ALL, Default::ZeroPointZero),
        with_default("y", Kind::Double, ALL, Default::ZeroPointZero),
    ],
);

static BUNDLE: Class = class("Bundle", &[text("group"), text("artifact"), text("version")]);

/// A bucket as a request body.
pub(crate) static BUCKET: Class = Class {
    name: "Bucket",
    moved: false,
    package: "org.apache.nifi.registry.bucket",
    fields: &[
        text("identifier"),
        text("name"),
        text("description"),
        field("allowBundleRedeploy", Kind::Bool, ALL),
        field("allowPublicRead", Kind::Bool, ALL),
    ],
    component: None,
};

/// A flow as a request body.
pub(crate) static FLOW: Class = Class {
    name: "VersionedFlow",
    moved: false,
    package: "org.apache.nifi.registry.flow",
    fields: &[
        text("identifier"),
        text("name"),
        text("description"),
        text("bucketIdentifier"),
        field("createdTimestamp", Kind::Long, ALL),
    ],
    component: None,
};

/// A flow version as a request body.
pub(crate) static SNAPSHOT: Class = Class {
    name: "VersionedFlowSnapshot",
    moved: false,
    package: "org.apache.nifi.registry.flow",
    fields: &[
        field("snapshotMetadata", Kind::Object(&METADATA), ALL),
        field("flowContents", Kind::Object(&GROUP), ALL),
        field("externalControllerServices", Kind::Map(&EXTERNAL_SERVICE), ALL),
        field("parameterContexts", Kind::Map(&PARAMETER_CONTEXT), ALL),
        field("parameterProviders", Kind::Map(&PARAMETER_PROVIDER), NEWER),
        text("flowEncodingVersion"),
    ],
    component: None,
};

static METADATA: Class = Class {
    name: "VersionedFlowSnapshotMetadata",
    moved: false,
    package: "org.apache.nifi.registry.flow",
    fields: &[
        text("bucketIdentifier"),
        text("flowIdentifier"),
        field("version", Kind::Int, ALL),
        field("timestamp", Kind::Long, ALL),
        text("author"),
        text("comments"),
    ],
    component: None,
};

static GROUP: Class = component(
    "VersionedProcessGroup",
    "PROCESS_GROUP",
    &[
        children("processGroups", &GROUP),
        children("remoteProcessGroups", &REMOTE_GROUP),
        children("processors", &PROCESSOR),
        children("inputPorts", &INPUT_PORT),
        children("outputPorts", &OUTPUT_PORT),
        children("connections", &CONNECTION),
        children("labels", &LABEL),
        children("funnels", &FUNNEL),
        children("controllerServices", &SERVICE),
        field("versionedFlowCoordinates", Kind::Object(&COORDINATES), ALL),
        with_default("variables", Kind::TextMap, OLD | V1, Default::EmptyMap),
        text("parameterContextName"),
        field("defaultFlowFileExpiration", Kind::Text, NEWER),
        field("defaultBackPressureObjectThreshold", Kind::Long, NEWER),
        field("defaultBackPressureDataSizeThreshold", Kind::Text, NEWER),
        field("logFileSuffix", Kind::Text, NEWER),
        text("flowFileConcurrency"),
        text("flowFileOutboundPolicy"),
        field("executionEngine", Kind::Text, V2),
        field("scheduledState", Kind::Text, V2),
        field("maxConcurrentTasks", Kind::Int, V2),
        field("statelessFlowTimeout", Kind::Text, V2),
    ],
);

static COORDINATES: Class = class(
    "VersionedFlowCoordinates",
    &[
        field("registryId", Kind::Text, NEWER),
        field("storageLocation", Kind::Text, NEWER),
        field("registryUrl", Kind::Text, OLD | V1),
        field("branch", Kind::Text, V2),
        text("bucketId"),
        text("flowId"),
        with_default("version", Kind::Coordinate, OLD | V1, Default::Zero),
        field("version", Kind::Coordinate, V2),
        field("latest", Kind::Bool, ALL),
    ],
);

static PROCESSOR: Class = component(
    "VersionedProcessor",
    "PROCESSOR",
    &[
        text("type"),
        field("bundle", Kind::Object(&BUNDLE), ALL),
        field("properties", Kind::TextMap, ALL),
        field("propertyDescriptors", Kind::Map(&DESCRIPTOR), ALL),
        field("style", Kind::TextMap, ALL),
        text("annotationData"),
        text("schedulingPeriod"),
        text("schedulingStrategy"),
        text("executionNode"),
        text("penaltyDuration"),
        text("yieldDuration"),
        text("bulletinLevel"),
        field("runDurationMillis", Kind::Long, ALL),
        field("concurrentlySchedulableTaskCount", Kind::Int, ALL),
        field("autoTerminatedRelationships", Kind::TextSet, ALL),
        text("scheduledState"),
        field("retryCount", Kind::Int, NEWER),
        field("retriedRelationships", Kind::TextSet, NEWER),
        field("backoffMechanism", Kind::Text, NEWER),
        field("maxBackoffPeriod", Kind::Text, NEWER),
    ],
);

static DESCRIPTOR: Class = class(
    "VersionedPropertyDescriptor",
    &[
        text("name"),
        text("displayName"),
        with_default("identifiesControllerService", Kind::Bool, ALL, Default::False),
        with_default("sensitive", Kind::Bool, ALL, Default::False),
        with_default("dynamic", Kind::Bool, V2, Default::False),
        field("resourceDefinition", Kind::Object(&RESOURCE), NEWER),
    ],
);

static RESOURCE: Class = class(
    "VersionedResourceDefinition",
    &[text("cardinality"), field("resourceTypes", Kind::TextSet, ALL)],
);

static LABEL: Class = component(
    "VersionedLabel",
    "LABEL",
    &[
        text("label"),
        field("zIndex", Kind::Long, NEWER),
        field("width", Kind::Double, ALL),
        field("height", Kind::Double, ALL),
        field("style", Kind::TextMap, ALL),
    ],
);

static FUNNEL: Class = component("VersionedFunnel", "FUNNEL", &[]);

static PORT_FIELDS: &[Field] = &[
    text("type"),
    field("concurrentlySchedulableTaskCount", Kind::Int, ALL),
    text("scheduledState"),
    with_default("allowRemoteAccess", Kind::Bool, OLD, Default::False),
    field("allowRemoteAccess", Kind::Bool, NEWER),
    field("portFunction", Kind::Text, V2),
];
static INPUT_PORT: Class = component("VersionedPort", "INPUT_PORT", PORT_FIELDS);
static OUTPUT_PORT: Class = component("VersionedPort", "OUTPUT_PORT", PORT_FIELDS);

static CONNECTION: Class = component(
    "VersionedConnection",
    "CONNECTION",
    &[
        field("source", Kind::Object(&CONNECTABLE), ALL),
        field("destination", Kind::Object(&CONNECTABLE), ALL),
        field("labelIndex", Kind::Int, ALL),
        field("zIndex", Kind::Long, ALL),
        field("selectedRelationships", Kind::TextSet, ALL),
        field("backPressureObjectThreshold", Kind::Long, ALL),
        text("backPressureDataSizeThreshold"),
        text("flowFileExpiration"),
        field("prioritizers", Kind::TextList, ALL),
        field("bends", Kind::List(&POSITION), ALL),
        text("loadBalanceStrategy"),
        text("partitioningAttribute"),
        text("loadBalanceCompression"),
    ],
);

static CONNECTABLE: Class = class(
    "ConnectableComponent",
    &[
        text("id"),
        field("instanceIdentifier", Kind::Text, NEWER),
        text("type"),
        text("groupId"),
        text("name"),
        text("comments"),
    ],
);

static SERVICE: Class = component(
    "VersionedControllerService",
    "CONTROLLER_SERVICE",
    &[
        text("type"),
        field("bundle", Kind::Object(&BUNDLE), ALL),
        field("properties", Kind::TextMap, ALL),
        field("propertyDescriptors", Kind::Map(&DESCRIPTOR), ALL),
        field("controllerServiceApis", Kind::List(&SERVICE_API), ALL),
        text("annotationData"),
        field("scheduledState", Kind::Text, NEWER),
        field("bulletinLevel", Kind::Text, NEWER),
    ],
);

static SERVICE_API: Class =
    class("ControllerServiceAPI", &[text("type"), field("bundle", Kind::Object(&BUNDLE), ALL)]);

static REMOTE_GROUP: Class = component(
    "VersionedRemoteProcessGroup",
    "REMOTE_PROCESS_GROUP",
    &[
        text("targetUris"),
        text("communicationsTimeout"),
        text("yieldDuration"),
        text("transportProtocol"),
        text("localNetworkInterface"),
        text("proxyHost"),
        field("proxyPort", Kind::Int, ALL),
        text("proxyUser"),
        field("inputPorts", Kind::Set(&REMOTE_PORT), ALL),
        field("outputPorts", Kind::Set(&REMOTE_PORT), ALL),
    ],
);

static REMOTE_PORT: Class = component(
    "VersionedRemoteGroupPort",
    "REMOTE_INPUT_PORT",
    &[
        text("remoteGroupId"),
        field("concurrentlySchedulableTaskCount", Kind::Int, ALL),
        field("useCompression", Kind::Bool, ALL),
        field("batchSize", Kind::Object(&BATCH_SIZE), ALL),
        text("targetId"),
        text("scheduledState"),
    ],
);

static BATCH_SIZE: Class =
    class("BatchSize", &[field("count", Kind::Int, ALL), text("size"), text("duration")]);

static EXTERNAL_SERVICE: Class =
    class("ExternalControllerServiceReference", &[text("identifier"), text("name")]);

static PARAMETER_PROVIDER: Class = class(
    "ParameterProviderReference",
    &[text("identifier"), text("name"), text("type"), field("bundle", Kind::Object(&BUNDLE), ALL)],
);

static PARAMETER_CONTEXT: Class = component(
    "VersionedParameterContext",
    "PARAMETER_CONTEXT",
    &[
        text("name"),
        text("description"),
        field("parameters", Kind::Set(&PARAMETER), ALL),
        field("inheritedParameterContexts", Kind::TextList, NEWER),
        field("parameterProvider", Kind::Text, NEWER),
        field("parameterGroupName", Kind::Text, NEWER),
        field("synchronized", Kind::Bool, NEWER),
    ],
);

static PARAMETER: Class = class(
    "VersionedParameter",
    &[
        text("name"),
        text("description"),
        with_default("sensitive", Kind::Bool, ALL, Default::False),
        with_default("provided", Kind::Bool, NEWER, Default::False),
        text("value"),
    ],
);
