"""scheduled-sync: batches are kept by NiFi and synced together on a schedule."""

from canvas import NOTE_STYLE, Definition, command
from parts import *

# Standard error of a run that ended with 4 and yet has answered for every FlowFile of the package.
ANSWERED = "execution.status:in('0','3'):or(${execution.status:equals('4'):and(${execution.error:contains('FlowFiles are to come again')})})"

# Whoever ended the child did not ask it: INT, KILL, TERM, HUP.
TRANSIENT = "execution.status:in('4','129','130','137','143')"


def definition():
    it = Definition(
        "scheduled-sync",
        "Batches arrive over HTTP and as files, wait in NiFi, and are synced together on a schedule.",
    )
    it.parameter("schedule", "0 0/15 * ? * *", "When waiting batches are synced: CRON of six fields, names of days, ? in one day field. "
                 "0 0/15 * ? * *: every quarter of an hour; 0 0/15 3 ? * MON-FRI: four times after 3:00 on working days")
    it.parameter("checkpoint.port", "8091", "Port that answers GET /sources/ID")
    it.parameter("listen.host", "127.0.0.1", "Address that the checkpoint's port listens on (the intake listens on all)")
    cors_origins(it, "ask for a checkpoint")
    it.parameter("intake.folder", "./nifi-idb/in", "Watched folder; it must exist. Write under a name that begins with a dot, then rename")
    it.parameter("output.folder", "./nifi-idb/out", "Folder for rejects, confirm and dead-letter, which are made when needed")
    store_parameters(it)
    rules_parameters(it)
    it.parameter("database", "", "Bare records: the database's name; empty: default. Batches of another database are refused")
    it.parameter("object.store", "", "Bare records: their object store")
    it.parameter("key.path", "", "Bare records: the key path")
    it.parameter("deadline", "5m", "A run gives up after this time, and is tried again")
    it.parameter("idle", "60s", "A run gives up if NiFi sends nothing for this time")
    it.parameter("confirm", "", "The plan that the guard refused and a person approved; empty it afterwards")
    it.parameter("new.epoch", "", "Meaning of a source's new epoch: keep or mirror; empty it afterwards")
    keep_hours(it)

    it.label(
        "nifi-idb: scheduled sync\n\n"
        "Batches are kept here and synced on the schedule: one run of nifi-idb and one version a flow.\n"
        "Set the parameters store, bucket, output.folder, make the watched folder, enable the controller service, start.\n"
        "Every branch and every failure: nifi-templates/scheduled-sync.md",
        -1, 0, 1, 2, NOTE_STYLE,
    )

    it.label("1 Intake. 200 means: NiFi has it on disk. It does not mean: synced; ask for the source's checkpoint.", -1, 2)
    it.funnel("intake", 0, 5)
    listen(it, 0, 0, "intake")

    # Intake from a folder.
    it.processor(
        "Take files from the watched folder", "GetFile", 1, 0,
        {
            "Input Directory": "#{intake.folder}",
            "Recurse Subdirectories": "false",
            "Keep Source File": "false",
            "File Filter": r"[^\.].*",
            "Minimum File Age": "5 sec",
            "Ignore Hidden Files": "true",
            "Polling Interval": "0 sec",
            "Batch Size": "100",
        },
        schedulingPeriod="5 sec",
        executionNode="PRIMARY",
        comments="A file is deleted after NiFi has it on disk. Primary node: a shared folder is read once.",
    )
    it.processor(
        "Files: package or batch", UPDATE, 1, 1,
        {
            "mime.type": r"${filename:matches('(?i).*[.](ff3|pkg)'):ifElse('application/flowfile-v3','application/x-ndjson')}",
            "idempotency-key": r"${filename:matches('(?i).*[.](ff3|pkg)'):ifElse('',${filename:prepend('file '):append(' ')"
            r":append(${file.lastModifiedTime}):append(' '):append(${fileSize})})}",
        },
        comments="A name that ends with .ff3 or .pkg is a package of FlowFiles, such as a dead letter. The same file again is "
        "the same delivery.",
    )
    unpack = {"Packaging Format": "use mime.type attribute", "File Filter": ".*"}
    it.processor(
        "Files: open packages", "UnpackContent", 1, 2, unpack,
        autoTerminatedRelationships=["original"], comments="Content that is not a package passes unchanged.",
    )
    it.processor(
        "Files: open packages in packages", "UnpackContent", 1, 3, unpack,
        autoTerminatedRelationships=["original"], comments="A whole package that failed is inside another package.",
    )
    it.processor(
        "Files: stamp time and delivery", UPDATE, 1, 4,
        {
            "indexeddb.received.at": "${indexeddb.received.at:isEmpty():ifElse(${entryDate:toNumber()},${indexeddb.received.at})}",
            "waits.since": "${entryDate:toNumber()}",
            "idempotency-key": "${idempotency-key:isEmpty():ifElse(${uuid},${idempotency-key})}",
            "Delete Attributes Expression": LEFTOVERS,
        },
        comments="A dead letter keeps its time of receipt and its delivery.",
    )

    # The schedule and the run.
    it.label(
        "2 The schedule. Batches wait in this connection and are released together. A timer instead of a "
        "CRON expression: stop the processor, set Scheduling Strategy to Timer driven and Run Schedule to 15 min.",
        -1, 6,
    )
    it.processor(
        "Release on the schedule", "PackageFlowFile", 0, 6, {"max-batch-size": "10000"},
        schedulingStrategy="CRON_DRIVEN", schedulingPeriod="#{schedule}", runDurationMillis=2000,
        autoTerminatedRelationships=["original"],
        comments="The run duration of 2 s lets one firing take everything. Run once releases by hand.",
    )
    it.label(
        "3 The run. One process for the whole package; the answer is a package again, in which each FlowFile has its own outcome. "
        "A run that fails is repeated by NiFi itself after 10, 20, 40, 80 s.",
        -1, 7,
    )
    it.processor(
        "Sync", "ExecuteStreamCommand", 0, 7,
        command(
            {"Ignore STDIN": "false", "Output MIME Type": "application/flowfile-v3"},
            "sync", "--input", "flowfile-v3", "--report", "flowfile-v3", "--expect-bytes", "${fileSize}",
            *STORE_ARGUMENTS, *RULES_ARGUMENTS,
            "--database", "#{database}", "--object-store", "#{object.store}", "--key-path", "#{key.path}",
            "--idle", "#{idle}", "--deadline", "#{deadline}",
            "--confirm", "#{confirm}", "--new-epoch", "#{new.epoch}",
        ),
        penaltyDuration="10 sec", retryCount=4, retriedRelationships=["nonzero status"], maxBackoffPeriod="5 mins",
        comments="An empty parameter counts as not given. One task: versions of a flow are made one after the other.",
    )
    it.processor(
        "Has the run answered", "RouteOnAttribute", 0, 8,
        {"Routing Strategy": "Route to Property name", "answered": f"${{{ANSWERED}}}"},
        autoTerminatedRelationships=["unmatched"],
        comments="unmatched is dropped: the package itself is kept on the other branch.",
    )
    it.processor(
        "Was the package answered", "RouteOnAttribute", 1, 8,
        {
            "Routing Strategy": "Route to Property name",
            "answered": f"${{{ANSWERED}}}",
            "try again": f"${{{TRANSIENT}:and(${{{ANSWERED}:not()}})}}",
        },
        autoTerminatedRelationships=["answered"],
        comments="answered is dropped: each of its FlowFiles is in the answer, with its content unless it is done.",
    )
    it.processor(
        "Open the answer", "UnpackContent", 0, 9, {"Packaging Format": "flowfile-stream-v3", "File Filter": ".*"},
        autoTerminatedRelationships=["original"],
    )
    it.processor(
        "Open the package again", "UnpackContent", 1, 9, {"Packaging Format": "flowfile-stream-v3", "File Filter": ".*"},
        autoTerminatedRelationships=["original"],
    )

    # What became of each FlowFile.
    it.label(
        "4 The outcome of each FlowFile. Those that are committed or unchanged end here: connect your own steps. "
        "All others go to a folder, or wait for the next release.",
        -1, 10,
    )
    it.processor(
        "What became of it", "RouteOnAttribute", 0, 10,
        {
            "Routing Strategy": "Route to Property name",
            **OUTCOMES,
            "confirm": "${sync.status:equals('6')}",
            "try again": "${sync.status:equals('4')}",
        },
        comments="unmatched: a retry would not help (status 1, 2, 5, 7, 8).",
    )
    it.processor(
        "Has it waited too long", "RouteOnAttribute", 1, 10,
        {
            "Routing Strategy": "Route to Property name",
            "too long": WAITED_TOO_LONG,
        },
    )
    it.processor(
        "Wait for the next release", UPDATE, 2, 10, {"Delete Attributes Expression": LEFTOVERS},
        comments="Goes back to the waiting batches: those that arrived since may close a gap in a source's sequence.",
    )
    for number, outcome in enumerate(("committed", "unchanged")):
        it.connect("What became of it", outcome, done(it, outcome, number, 11, DONE_MESSAGE))
    it.connect("What became of it", "partly rejected", rejects(it, 2, 11))
    dead_letter(
        it, "Guard: a person must confirm", 3, 11, "${sync.error} plan: ${sync.plan}", "${sync.status}", "confirm",
        "Look at the reason; set the parameter confirm to the plan; move the file to the watched folder.",
    )
    dead_letter(
        it, "Dead letter: a FlowFile", 4, 11,
        "exit status ${sync.status:replaceEmpty(${execution.status})}: ${sync.error:replaceEmpty(${execution.error}):trim()}",
        "${sync.status:replaceEmpty(${execution.status})}",
    )
    dead_letter(
        it, "Dead letter: a whole package", 4, 9, "exit status ${execution.status}: ${execution.error:trim()}",
        "${execution.status}", comments="The run gave no answer: wrong settings, no access, a damaged store.",
        via=[(4.5, 11.3)],
    )
    dead_letter(it, "Dead letter: what is no package", 3, 4, "cannot be opened as a package of FlowFiles", "none",
                via=[(3.5, 11)])
    dead_letters(it, 4, 12, 3)

    connect = it.connect
    connect("Take files from the watched folder", "success", "Files: package or batch")
    connect("Files: package or batch", "success", "Files: open packages")
    connect("Files: open packages", "success", "Files: open packages in packages")
    connect("Files: open packages", "failure", "Dead letter: what is no package")
    connect("Files: open packages in packages", "success", "Files: stamp time and delivery")
    connect("Files: open packages in packages", "failure", "Dead letter: what is no package")
    connect("Files: stamp time and delivery", "success", "intake")
    connect(
        "intake", "", "Release on the schedule", name="waiting for the schedule",
        backPressureObjectThreshold=100000, backPressureDataSizeThreshold="10 GB",
        loadBalanceStrategy="PARTITION_BY_ATTRIBUTE", partitioningAttribute="indexeddb.database",
    )
    connect("Release on the schedule", "success", "Sync")
    connect("Sync", ["output stream", "nonzero status"], "Has the run answered")
    connect("Sync", "original", "Was the package answered")
    connect("Has the run answered", "answered", "Open the answer")
    connect("Was the package answered", "try again", "Open the package again")
    connect("Was the package answered", "unmatched", "Dead letter: a whole package")
    connect("Open the answer", "success", "What became of it")
    connect("Open the answer", "failure", "Dead letter: a whole package", via=[(0.5, 8.6)])
    connect("Open the package again", "success", "Has it waited too long")
    connect("Open the package again", "failure", "Dead letter: a whole package")
    connect("What became of it", "confirm", "Guard: a person must confirm", via=[(0.5, 10.3), (1.5, 10.3)], labelIndex=1)
    connect("What became of it", "try again", "Has it waited too long")
    connect("What became of it", "unmatched", "Dead letter: a FlowFile", via=[(0.5, 9.3), (3.5, 9.3)])
    connect("Has it waited too long", "too long", "Dead letter: a FlowFile", via=[(1.5, 9.6), (2.5, 9.6)])
    connect("Has it waited too long", "unmatched", "Wait for the next release")
    connect("Wait for the next release", "success", "intake", via=[(1.5, 5)])

    checkpoint(it, http_context(it, "1 min"), 5, 0, "#{checkpoint.port}")
    it.label("A source asks up to which number its changes are durable: GET /sources/ID", 4, 0)
    return it
