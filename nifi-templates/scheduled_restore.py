"""scheduled-restore: a version comes out as FlowFiles, on a schedule or on demand."""

from canvas import NOTE_STYLE, Definition, command
from parts import *


def definition():
    it = Definition("scheduled-restore", "A version comes out as one FlowFile an object store, on a schedule or on demand.")
    it.parameter("schedule", "0 0 4 ? * *", "When a version is read: CRON of six fields, names of days, ? in one day field")
    store_parameters(it, "Flow; empty: the only one of the bucket")
    it.parameter("version", "latest", "The version: its number, or latest")
    it.parameter("object.store", "", "This object store only; empty: all")
    it.parameter("deadline", "10m", "A run gives up after this time, and is tried again")
    it.parameter("output.folder", "./nifi-idb/restored", "Where the files go: one an object store and version. It is made when needed")
    it.label(
        "nifi-idb: scheduled restore\n\n"
        "A version comes out as one FlowFile an object store: a whole batch of indexeddb-changes/1, which sync reads.\n"
        "Set the parameters store, bucket, flow, output.folder, start. On demand: Run once on the first processor.\n"
        "Every failure: nifi-templates/scheduled-restore.md",
        -1, 0, 1, 2, NOTE_STYLE,
    )
    it.label("1 The schedule. A timer instead of a CRON expression: set Scheduling Strategy to Timer driven and Run Schedule to 1 day.", 1, 0)
    it.processor(
        "On the schedule", "GenerateFlowFile", 0, 0,
        {"File Size": "0B", "Batch Size": "1", "Data Format": "Text", "Unique FlowFiles": "false", "character-set": "UTF-8"},
        schedulingStrategy="CRON_DRIVEN", schedulingPeriod="#{schedule}", executionNode="PRIMARY",
        comments="Primary node: one restore, whatever the number of nodes.",
    )
    it.label("2 The run. A run that fails is repeated by NiFi itself after 10, 20, 40, 80 s. Its incomplete output is dropped.", 1, 1)
    it.processor(
        "Restore", "ExecuteStreamCommand", 0, 1,
        command(
            {"Ignore STDIN": "true", "Output MIME Type": "application/flowfile-v3"},
            "restore", "--format", "flowfile-v3", *STORE_ARGUMENTS, "--at", "#{version}", "--object-store", "#{object.store}",
            "--deadline", "#{deadline}",
        ),
        penaltyDuration="10 sec", retryCount=4, retriedRelationships=["nonzero status"], maxBackoffPeriod="5 mins",
        autoTerminatedRelationships=["original"],
    )
    it.processor(
        "Say why there is nothing", "LogMessage", 1, 2,
        {"log-level": "error", "log-message": "restore ended with ${execution.status}: ${execution.error:trim()}"},
        autoTerminatedRelationships=["success"],
        comments="Nothing is lost: the next firing reads the version again.",
    )
    it.processor(
        "Open the answer", "UnpackContent", 0, 2, {"Packaging Format": "flowfile-stream-v3", "File Filter": ".*"},
        autoTerminatedRelationships=["original"],
    )
    it.label("3 The result. Connect your own steps here instead of the folder; the attributes name flow, version and object store.", 1, 3)
    it.processor(
        "Name the file", UPDATE, 0, 3,
        {"filename": "${filename:replaceAll('[^A-Za-z0-9._%-]','_')}",
         "Delete Attributes Expression": r"execution[.].*"},
        comments="Flow, version and object store are in the name, so a file is written again only with the same content.",
    )
    it.processor(
        "Write the file", "PutFile", 0, 4,
        {
            "Directory": "#{output.folder}",
            "Conflict Resolution Strategy": "replace",
            "Create Missing Directories": "true",
            "Permissions": "rw-------",
        },
        autoTerminatedRelationships=["success"],
    )
    connect = it.connect
    connect("On the schedule", "success", "Restore")
    connect("Restore", "output stream", "Open the answer")
    connect("Restore", "nonzero status", "Say why there is nothing")
    connect("Open the answer", "failure", "Say why there is nothing")
    connect("Open the answer", "success", "Name the file")
    connect("Name the file", "success", "Write the file")
    connect("Write the file", "failure", "Write the file")
    return it
