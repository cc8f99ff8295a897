"""The parts of a flow definition, in the shape that NiFi 1.28 and 2.x both import.

Nothing here is random and no clock is read: identifiers are UUIDv5 of the definition's name and the part's name, so that
the same text gives the same file, and NiFi sees the same component in the next release.
"""

import json
import re
import uuid

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://nifi.apache.org/nifi-idb/templates")
BUNDLE_VERSION = "1.28.1"

# A column and a row of the canvas; a processor is about 350 wide and 130 high.
COLUMN, ROW = 600, 240
LABEL_STYLE = {"background-color": "#fff7d7", "font-size": "16px"}
NOTE_STYLE = {"background-color": "#e6f2ff", "font-size": "18px"}

ARTIFACTS = {
    "org.apache.nifi.processors.attributes.": "nifi-update-attribute-nar",
    "org.apache.nifi.processors.grpc.": "nifi-grpc-nar",
    "org.apache.nifi.http.": "nifi-http-context-map-nar",
    "org.apache.nifi.processors.standard.": "nifi-standard-nar",
}


def artifact(kind):
    return next(name for prefix, name in ARTIFACTS.items() if kind.startswith(prefix))


class Definition:
    """One process group with its parameter context."""

    def __init__(self, name, comments):
        self.name, self.comments = name, comments
        self.group = self.identifier("group")
        self.parameters, self.processors, self.connections = [], [], []
        self.labels, self.funnels, self.services = [], [], []
        self.kinds = {}

    def identifier(self, part):
        return str(uuid.uuid5(NAMESPACE, f"{self.name}/{part}"))

    def parameter(self, name, value, description):
        self.parameters.append(
            {"name": name, "description": description, "sensitive": False, "provided": False, "value": value}
        )

    def processor(self, name, kind, column, row, properties, **settings):
        """A processor; `settings` are the fields in which it differs from NiFi's defaults."""
        if not kind.startswith("org."):
            kind = f"org.apache.nifi.processors.standard.{kind}"
        identifier = self.identifier(name)
        self.kinds[name] = "PROCESSOR"
        it = {
            "identifier": identifier,
            "groupIdentifier": self.group,
            "componentType": "PROCESSOR",
            "name": name,
            "comments": settings.pop("comments", ""),
            "type": kind,
            "bundle": {"group": "org.apache.nifi", "artifact": artifact(kind), "version": BUNDLE_VERSION},
            "properties": properties,
            "propertyDescriptors": {},
            "style": {},
            "position": {"x": column * COLUMN, "y": row * ROW},
            "schedulingStrategy": "TIMER_DRIVEN",
            "schedulingPeriod": "0 sec",
            "executionNode": "ALL",
            "penaltyDuration": "30 sec",
            "yieldDuration": "1 sec",
            "bulletinLevel": "WARN",
            "runDurationMillis": 0,
            "concurrentlySchedulableTaskCount": 1,
            "autoTerminatedRelationships": [],
            "scheduledState": "ENABLED",
            "retryCount": 10,
            "retriedRelationships": [],
            "backoffMechanism": "PENALIZE_FLOWFILE",
            "maxBackoffPeriod": "10 mins",
        }
        unknown = set(settings) - set(it)
        assert not unknown, f"{name}: no such field: {unknown}"
        it.update(settings)
        self.processors.append(it)
        return name

    def service(self, name, kind, properties, comments=""):
        identifier = self.identifier(name)
        self.services.append(
            {
                "identifier": identifier,
                "groupIdentifier": self.group,
                "componentType": "CONTROLLER_SERVICE",
                "name": name,
                "comments": comments,
                "type": kind,
                "bundle": {"group": "org.apache.nifi", "artifact": artifact(kind), "version": BUNDLE_VERSION},
                "properties": properties,
                "propertyDescriptors": {},
                "controllerServiceApis": [],
                "scheduledState": "DISABLED",
                "bulletinLevel": "WARN",
            }
        )
        return identifier

    def funnel(self, name, column, row):
        # A funnel is 48 wide: it stands under the middle of a processor.
        position = {"x": column * COLUMN + 152, "y": row * ROW + 40}
        self.kinds[name] = "FUNNEL"
        self.funnels.append(
            {
                "identifier": self.identifier(name),
                "groupIdentifier": self.group,
                "componentType": "FUNNEL",
                "position": position,
            }
        )
        return name

    def label(self, text, column, row, width=1, height=1, style=LABEL_STYLE):
        """Text beside the canvas's parts; width and height count columns and rows."""
        self.labels.append(
            {
                "identifier": self.identifier(f"label {len(self.labels)}"),
                "groupIdentifier": self.group,
                "componentType": "LABEL",
                "label": text,
                "zIndex": 0,
                "width": width * COLUMN - 220,
                "height": height * ROW - 80,
                "style": style,
                "position": {"x": column * COLUMN, "y": row * ROW},
            }
        )

    def end(self, name):
        kind = self.kinds[name]
        shown = name if kind == "PROCESSOR" else "Funnel"
        return {"id": self.identifier(name), "type": kind, "groupId": self.group, "name": shown, "comments": ""}

    def connect(self, source, relationships, destination, via=(), **settings):
        """A connection, straight or by way of the middles of these columns and rows; its label is at the first of them
        unless `labelIndex` names another one. generate.py fails if it cannot be read (draw.py)."""
        relationships = [relationships] if isinstance(relationships, str) else relationships
        it = {
            "identifier": self.identifier(f"{source} / {' '.join(relationships)} / {destination}"),
            "groupIdentifier": self.group,
            "componentType": "CONNECTION",
            "name": "",
            # Parts may be connected before they are there; text() looks them up.
            "source": source,
            "destination": destination,
            "selectedRelationships": relationships,
            "labelIndex": 0,
            "zIndex": 0,
            "backPressureObjectThreshold": 10000,
            "backPressureDataSizeThreshold": "1 GB",
            "flowFileExpiration": "0 sec",
            "prioritizers": [],
            "bends": [{"x": column * COLUMN + 176, "y": row * ROW + 64} for column, row in via],
            "loadBalanceStrategy": "DO_NOT_LOAD_BALANCE",
            "partitioningAttribute": "",
            "loadBalanceCompression": "DO_NOT_COMPRESS",
        }
        unknown = set(settings) - set(it)
        assert not unknown, f"{source}: no such field: {unknown}"
        it.update(settings)
        self.connections.append(it)

    def bends(self, name):
        """A connection from a processor to itself is drawn beside it, where NiFi draws it."""
        place = next(it["position"] for it in self.processors if it["name"] == name)
        return [{"x": place["x"] + 352 + 117, "y": place["y"] + 64 + side} for side in (-25, 25)]

    def connected(self):
        for it in self.connections:
            source, destination = it["source"], it["destination"]
            bends = self.bends(source) if source == destination else it["bends"]
            yield {**it, "source": self.end(source), "destination": self.end(destination), "bends": bends}

    def snapshot(self):
        context = f"nifi-idb {self.name}"
        return {
            "flowEncodingVersion": "1.0",
            "parameterContexts": {
                context: {
                    "name": context,
                    "componentType": "PARAMETER_CONTEXT",
                    "description": f"Settings of the flow {self.name}",
                    "inheritedParameterContexts": [],
                    "parameters": self.parameters,
                }
            },
            "externalControllerServices": {},
            "parameterProviders": {},
            "flowContents": {
                "identifier": self.group,
                "componentType": "PROCESS_GROUP",
                "name": f"nifi-idb {self.name}",
                "comments": self.comments,
                "position": {"x": 0, "y": 0},
                "processGroups": [],
                "remoteProcessGroups": [],
                "processors": self.processors,
                "inputPorts": [],
                "outputPorts": [],
                "connections": list(self.connected()),
                "labels": self.labels,
                "funnels": self.funnels,
                "controllerServices": self.services,
                "parameterContextName": context,
                "flowFileConcurrency": "UNBOUNDED",
                "flowFileOutboundPolicy": "STREAM_WHEN_AVAILABLE",
                "defaultFlowFileExpiration": "0 sec",
                "defaultBackPressureObjectThreshold": 10000,
                "defaultBackPressureDataSizeThreshold": "1 GB",
            },
        }

    def text(self):
        used = set(re.findall(r"#\{([^}]+)\}", json.dumps([self.processors, self.services])))
        declared = {it["name"] for it in self.parameters}
        assert used == declared, f"{self.name}: parameters used and declared differ: {used ^ declared}"
        return json.dumps(self.snapshot(), indent=2, ensure_ascii=True) + "\n"


def command(properties, *words):
    """Adds the words as the child's arguments: each one argument, never split, whatever it holds."""
    numbered = {f"command.argument.{number}": word for number, word in enumerate(words, 1)}
    return {
        "Command Path": "#{command}",
        "argumentsStrategy": "Dynamic Property Arguments",
        "Argument Delimiter": ";",
        "Max Attribute Length": "256",
        **properties,
        **numbered,
    }


def first_of(*cases, otherwise):
    """Nested ifElse: the value of the first condition that holds. Conditions and values are expression text."""
    text = f"'{otherwise}'"
    for condition, value in reversed(cases):
        text = f"${{{condition}:ifElse('{value}',{text})}}"
    return text
