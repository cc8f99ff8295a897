"""scheduled-sync: batches are kept by NiFi and synced together on a schedule."""

from canvas import NOTE_STYLE, Definition, command
from parts import LEFTOVERS, STORE_ARGUMENTS, UPDATE, checkpoint, http_context, put_file, store_parameters

# Standard error of a run that ended with 4 and yet has answered for every FlowFile of the package.
ANSWERED = "execution.status:in('0','3'):or(${execution.status:equals('4'):and(${execution.error:contains('of the package')})})"

# Whoever ended the child did not ask it: INT, KILL, TERM, HUP.
TRANSIENT = "execution.status:in('4','129','130','137','143')"

DONE = "sync.outcome:in('committed','unchanged')"
REJECTS = "sync.rejected:replaceNull('0'):toNumber():plus(${sync.parked:replaceNull('0')}):gt(0)"


def definition():
    it = Definition(
        "scheduled-sync",
        "Batches arrive over HTTP and as files, wait in NiFi, and are synced together on a schedule.",
    )
    it.parameter("schedule", "0 0/15 * ? * *", "When what waits is synced: CRON of six fields, names of days, ? in one day field. "
                 "0 0/15 * ? * *: every quarter of an hour; 0 0/15 3 ? * MON-FRI: four times after 3:00 on working days")
    it.parameter("intake.port", "8090", "Port where batches are posted, to /batches")
    it.parameter("checkpoint.port", "8091", "Port that answers GET /sources/ID")
    it.parameter("listen.host", "127.0.0.1", "Address that the checkpoint's port listens on (the intake listens on all)")
    it.parameter("cors.origins", "", "Origins of web pages that may ask for a checkpoint, with commas; empty: none")
    it.parameter("intake.folder", "./nifi-idb/in", "Watched folder; it must exist. Write under a name that begins with a dot, then rename")
    it.parameter("output.folder", "./nifi-idb/out", "Below it: rejects, confirm, dead-letter. They are made when needed")
    store_parameters(it)
    it.parameter("database", "", "Bare records: the database's name; empty: default")
    it.parameter("object.store", "", "Bare records: the object store that they go to")
    it.parameter("key.path", "", "Bare records: where the key stands in each record")
    it.parameter("deadline", "5m", "A run gives up after this time, and is tried again")
    it.parameter("idle", "60s", "A run gives up if NiFi sends nothing for so long")
    it.parameter("confirm", "", "The plan that the guard refused and a person has looked at; empty again afterwards")
    it.parameter("new.epoch", "", "A source has begun anew: keep or mirror; empty again afterwards")
    it.parameter("keep.hours", "168", "What only has to be tried again waits at most so long, then it is a dead letter")

    it.label(
        "nifi-idb: scheduled sync\n\n"
        "Batches are kept here and synced on the schedule: one run of nifi-idb and one version a flow.\n"
        "Set the parameters store, bucket, output.folder, make the watched folder, enable the controller service, start.\n"
        "Every branch and every failure: nifi-templates/scheduled-sync.md",
        -1, 0, 1, 2, NOTE_STYLE,
    )

    # Intake over HTTP.
    it.label("1 Intake. 200 means: NiFi has it on disk. It does not mean: synced; ask for the source's checkpoint.", -1, 2)
    it.processor(
        "Take batches over HTTP", "ListenHTTP", 0, 0,
        {
            "Base Path": "batches",
            "Listening Port": "#{intake.port}",
            "HTTP Headers to receive as Attributes (Regex)": "(?i)(indexeddb[.].*|idempotency-key|content-type)",
            "Return Code": "200",
        },
        comments="POST /batches: bare records, indexeddb-changes/1, or application/flowfile-v3.",
    )
    it.processor(
        "HTTP: names in any spelling", UPDATE, 0, 1,
        {
            "intake.key": "${allMatchingAttributes('(?i)idempotency-key'):join('')}",
            "intake.type": "${allMatchingAttributes('(?i)content-type'):join('')}",
        },
        comments="A header keeps the spelling of the client.",
    )
    it.processor(
        "HTTP: stamp time and delivery", UPDATE, 0, 2,
        {
            "indexeddb.received.at": "${entryDate:toNumber()}",
            "waits.since": "${entryDate:toNumber()}",
            "idempotency-key": "${intake.type:contains('flowfile'):or(${intake.key:isEmpty()}):ifElse(${uuid},${intake.key})}",
            "Delete Attributes Expression": rf"intake[.](key|type)|{LEFTOVERS}",
        },
        comments="The time of receipt is ours, whatever the client says. It is stamped here because packaging makes a new "
        "FlowFile with a new time. A key for a whole package is none for each FlowFile in it.",
    )

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
        autoTerminatedRelationships=["original"], comments="What is no package passes.",
    )
    it.processor(
        "Files: open packages in packages", "UnpackContent", 1, 3, unpack,
        autoTerminatedRelationships=["original"], comments="A whole package that failed lies in a package of its own.",
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
    it.funnel("intake", 0, 5)

    # The schedule and the run.
    it.label(
        "2 The schedule. What has come waits in this connection and is released together. A timer instead of a "
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
            *STORE_ARGUMENTS,
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
        "4 The outcome of each FlowFile. Committed and unchanged end here: connect what should happen next. "
        "Everything else goes to a folder, or waits for the next release.",
        -1, 10,
    )
    it.processor(
        "What became of it", "RouteOnAttribute", 0, 10,
        {
            "Routing Strategy": "Route to Property name",
            "committed": f"${{sync.outcome:equals('committed'):and(${{{REJECTS}:not()}})}}",
            "unchanged": f"${{sync.outcome:equals('unchanged'):and(${{{REJECTS}:not()}})}}",
            "partly rejected": f"${{{DONE}:and(${{{REJECTS}}})}}",
            "confirm": "${sync.status:equals('6')}",
            "try again": "${sync.status:equals('4')}",
        },
        comments="unmatched: it will not get better by itself (status 1, 2, 5, 7, 8).",
    )
    it.processor(
        "Has it waited too long", "RouteOnAttribute", 1, 10,
        {
            "Routing Strategy": "Route to Property name",
            "too long": "${now():toNumber():minus(${waits.since:replaceNull('0')}):gt(${#{keep.hours}:toNumber():multiply(3600000)})}",
        },
    )
    it.processor(
        "Wait for the next release", UPDATE, 2, 10, {"Delete Attributes Expression": LEFTOVERS},
        comments="Back to what waits: with what has come since, a gap in a source's sequence may be closed.",
    )
    for number, outcome in enumerate(("committed", "unchanged")):
        it.processor(
            f"Done: {outcome}", "LogMessage", number, 11,
            {
                "log-level": "info",
                "log-message": f"{outcome}: ${{registry.bucket}}/${{registry.flow}} version ${{registry.flow.version}}, put "
                "${sync.put}, deleted ${sync.deleted}, root ${sync.root}",
            },
            autoTerminatedRelationships=["success"],
            comments="Its content is the report. Connect what should happen next.",
        )
        it.connect("What became of it", outcome, f"Done: {outcome}")
    it.processor(
        "Rejects: name the report", UPDATE, 2, 11,
        {"filename": "${now():format(\"yyyyMMdd'T'HHmmss\",'UTC')}-rejects-${uuid}.ndjson"},
        comments="The rest of the batch is stored. A file name from outside never becomes a path.",
    )
    put_file(it, "Rejects: write the report", 2, 12, "#{output.folder}/rejects", "What was not stored and why, a line each.")
    it.processor(
        "Guard: a person must confirm", UPDATE, 3, 11,
        {"dead.letter.folder": "confirm", "dead.letter.reason": "${sync.error} plan: ${sync.plan}"},
        comments="Look at the reason; set the parameter confirm to the plan (attribute sync.plan); move the file to the watched folder.",
    )
    it.processor(
        "Dead letter: a FlowFile", UPDATE, 4, 11,
        {
            "dead.letter.folder": "dead-letter",
            "dead.letter.reason": "exit status ${sync.status:replaceEmpty(${execution.status})}: ${sync.error:replaceEmpty(${execution.error})}",
        },
    )
    it.processor(
        "Dead letter: a whole package", UPDATE, 4, 9,
        {"dead.letter.folder": "dead-letter", "dead.letter.reason": "exit status ${execution.status}: ${execution.error:trim()}"},
        comments="The run did not come to an answer: wrong settings, no access, a store that is damaged.",
    )
    it.processor(
        "Dead letter: what is no package", UPDATE, 3, 4,
        {"dead.letter.folder": "dead-letter", "dead.letter.reason": "cannot be opened as a package of FlowFiles"},
    )
    it.processor(
        "Package with all attributes", "PackageFlowFile", 4, 12, {"max-batch-size": "1"},
        autoTerminatedRelationships=["original"],
    )
    it.processor(
        "Name the package", UPDATE, 4, 13,
        {"filename": "${now():format(\"yyyyMMdd'T'HHmmss\",'UTC')}-status-${sync.status:replaceEmpty(${execution.status:replaceEmpty('none')})}-${uuid}.ff3"},
        comments="A file name from outside never becomes a path.",
    )
    put_file(it, "Write the package", 4, 14, "#{output.folder}/${dead.letter.folder}",
             "To try it again: move the file to the watched folder.")
    it.processor(
        "Report the dead letter", "LogMessage", 3, 12,
        {"log-level": "error", "log-message": "${dead.letter.folder}: ${dead.letter.reason}"},
        comments="One bulletin a FlowFile that needs a person.",
    )

    connect = it.connect
    connect("Take batches over HTTP", "success", "HTTP: names in any spelling")
    connect("HTTP: names in any spelling", "success", "HTTP: stamp time and delivery")
    connect("HTTP: stamp time and delivery", "success", "intake")
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
    connect("Open the answer", "failure", "Dead letter: a whole package")
    connect("Open the package again", "success", "Has it waited too long")
    connect("Open the package again", "failure", "Dead letter: a whole package")
    connect("What became of it", "partly rejected", "Rejects: name the report")
    connect("What became of it", "confirm", "Guard: a person must confirm")
    connect("What became of it", "try again", "Has it waited too long")
    connect("What became of it", "unmatched", "Dead letter: a FlowFile")
    connect("Has it waited too long", "too long", "Dead letter: a FlowFile")
    connect("Has it waited too long", "unmatched", "Wait for the next release")
    connect("Wait for the next release", "success", "intake")
    connect("Rejects: name the report", "success", "Rejects: write the report")
    for name in ("Guard: a person must confirm", "Dead letter: a FlowFile", "Dead letter: a whole package",
                 "Dead letter: what is no package"):
        connect(name, "success", "Report the dead letter")
    connect("Report the dead letter", "success", "Package with all attributes")
    connect("Package with all attributes", "success", "Name the package")
    connect("Name the package", "success", "Write the package")

    checkpoint(it, http_context(it, "1 min"), 6, 0, "#{checkpoint.port}")
    it.label("A source asks how far it is acknowledged: GET /sources/ID", 5, 0)
    return it
