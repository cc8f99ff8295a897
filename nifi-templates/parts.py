"""What several definitions share: the answer to a source's checkpoint, CORS, files for people."""

import json
from pathlib import Path

from canvas import command, first_of

# A status of the child, as HTTP says it. Beyond 128: ended by a signal.
HTTP_STATUS = first_of(
    ("execution.status:in('0','3')", "200"),
    ("execution.status:equals('2')", "400"),
    ("execution.status:equals('5')", "422"),
    ("execution.status:equals('6')", "409"),
    ("execution.status:in('7','8')", "424"),
    ("execution.status:equals('4')", "503"),
    ("execution.status:toNumber():gt(128)", "503"),
    otherwise="500",
)

# What the child says first if it fails, for a header: one line without its name. Else nothing, and then no header is sent.
CAUSE = (
    "${execution.status:in('0','3'):ifElse('',"
    "${execution.error:trim():substringBefore('\\n'):substringAfter('nifi-idb: '):replaceAll('[^ -~]','?')})}"
)

SOURCE_ID = "[A-Za-z0-9._:-]{1,64}"

# What an earlier run left; packages of NiFi hand attributes of the whole package down to each FlowFile in it.
LEFTOVERS = r"(sync|execution|dead[.]letter|restlistener)[.].*"

# The attributes that nifi-idb reads, from the table that its own code is compared with, without those that are stamped here.
# An empty one counts as absent.
STAMPED = ("indexeddb.received.at", "indexeddb.rejects")
READ = [
    name.removeprefix("indexeddb.")
    for name in json.loads((Path(__file__).parent / "attributes.json").read_text())["read"]
    if name.startswith("indexeddb.") and name not in STAMPED
]

# The origin that a browser names, if the parameter lists it; else nothing, and then no header is sent.
ALLOWED_ORIGIN = (
    "${cors.asked:isEmpty():not():and(${#{cors.origins}:replaceAll('[ ]+',''):prepend(','):append(',')"
    ":contains(${cors.asked:prepend(','):append(',')})}):ifElse(${cors.asked},'')}"
)

STORE_ARGUMENTS = [
    "--store", "#{store}",
    "--bucket", "#{bucket}",
    "--flow", "#{flow}",
    "--token-file", "#{token.file}",
    "--ca-file", "#{ca.file}",
]


def store_parameters(it, flow="Flow; empty: the database's name"):
    it.parameter("command", "nifi-idb", "The program: a path, or a name that is found in the PATH of NiFi")
    it.parameter("store", "http://localhost:18080", "Where versions are kept: http(s)://HOST:PORT (NiFi Registry) or git:PATH")
    it.parameter("bucket", "indexeddb", "Bucket")
    it.parameter("flow", "", flow)
    it.parameter("token.file", "", "File with a bearer token for the Registry, readable by NiFi's user only; empty: none")
    it.parameter("ca.file", "", "PEM file of the certificate authorities to trust; empty: the system's")

# What decides conflicts, and what is private.
RULES_ARGUMENTS = ["--policy", "#{policy}", "--hash-key-file", "#{hash.key.file}"]


def rules_parameters(it):
    it.parameter("policy", "", "Policy file: rules for conflicts and private fields; empty: the built-in rules")
    it.parameter("hash.key.file", "", "File with the secret that fields are hashed with, if the policy hashes any; readable by NiFi's user only")


def http_context(it, expiration):
    return it.service(
        "Requests that wait for an answer",
        "org.apache.nifi.http.StandardHttpContextMap",
        {"Maximum Outstanding Requests": "5000", "Request Expiration": expiration},
    )


def request(it, name, service, column, row, port, paths, methods, comments):
    allowed = {f"Allow {method}": "true" if method in methods else "false" for method in
               ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")}
    return it.processor(
        name, "HandleHttpRequest", column, row,
        {
            "Listening Port": port,
            "Hostname": "#{listen.host}",
            "HTTP Context Map": service,
            "HTTP Protocols": "HTTP_1_1",
            "Default URL Character Set": "UTF-8",
            "Allowed Paths": paths,
            **allowed,
            "Maximum Threads": "200",
            "Client Authentication": "No Authentication",
        },
        comments=comments,
    )


def response(it, name, service, column, row, log, headers=None):
    it.processor(
        name, "HandleHttpResponse", column, row,
        {
            "HTTP Status Code": "${http.status}",
            "HTTP Context Map": service,
            "Content-Type": "${mime.type}",
            "Access-Control-Allow-Origin": "${cors.origin}",
            "Vary": "${cors.origin:isEmpty():ifElse('','Origin')}",
            **(headers or {}),
        },
        autoTerminatedRelationships=["success"],
        comments="failure: the work is done, but the client is gone. It asks again; nothing is repeated here.",
    )
    it.connect(name, "failure", log)


def cors(it, name, column, row):
    """Two steps: in one UpdateAttribute no property sees what another one sets."""
    asked, allowed = f"{name}: which origin asks", f"{name}: is it allowed"
    it.processor(
        asked, UPDATE, column, row,
        {"cors.asked": "${allMatchingAttributes('http[.]headers[.](?i)origin'):join('')}"},
        comments="A header keeps the spelling of the client, so the name is matched in any case.",
    )
    it.processor(allowed, UPDATE, column, row + 1, {"cors.origin": ALLOWED_ORIGIN})
    it.connect(asked, "success", allowed)
    return asked, allowed


UPDATE = "org.apache.nifi.processors.attributes.UpdateAttribute"


def answering(it, name, service, column, row, headers=None):
    """Status, answer, and what happens if nobody waits any more. Answers with the attribute http.status."""
    log = it.processor(
        f"{name}: nobody waits any more", "LogMessage", column, row + 1,
        {"log-level": "warn", "log-message": "no client for the answer to ${http.method} ${http.request.uri}, status ${http.status}"},
        autoTerminatedRelationships=["success"],
    )
    response(it, f"{name}: answer", service, column, row, log, headers)
    return f"{name}: answer"


def ask_checkpoint(it, column, row, answer):
    """Runs the child that knows up to which number a source's changes are durable."""
    ask = it.processor(
        "Checkpoint: ask the store", "ExecuteStreamCommand", column, row,
        command(
            {"Ignore STDIN": "true", "Output MIME Type": "application/json"},
            "sources", "--source=${http.request.uri:substringAfterLast('/')}",
            # The parameter overrides the query: a client may not choose if the flow is set.
            *[word.replace("#{flow}", "${#{flow}:replaceEmpty(${http.query.param.flow})}") for word in STORE_ARGUMENTS],
            "--deadline", "20s",
        ),
        # A penalized FlowFile waits; a client must not wait for that.
        concurrentlySchedulableTaskCount=2, penaltyDuration="0 sec",
        autoTerminatedRelationships=["original"],
        comments="Prints one line: source, epoch, checkpoint and the version that it was read from.",
    )
    status = it.processor("Checkpoint: status of the answer", UPDATE, column, row + 1, {"http.status": HTTP_STATUS})
    it.connect(ask, ["output stream", "nonzero status"], status)
    it.connect(status, "success", answer)
    return ask


def checkpoint(it, service, column, row, port):
    """GET /sources/ID on a port of its own."""
    take = request(
        it, "Checkpoint: take the question", service, column, row, port, f"/sources/{SOURCE_ID}", ("GET",),
        "GET /sources/ID. A 200 of an intake is custody; this number is the acknowledgement.",
    )
    asked, allowed = cors(it, "Checkpoint", column, row + 1)
    answer = answering(it, "Checkpoint", service, column, row + 5)
    ask = ask_checkpoint(it, column, row + 3, answer)
    it.connect(take, "success", asked)
    it.connect(allowed, "success", ask)


def put_file(it, name, column, row, directory, comments=""):
    """A file for people. It is tried again for ever: what cannot be written stays in NiFi."""
    it.processor(
        name, "PutFile", column, row,
        {
            "Directory": directory,
            "Conflict Resolution Strategy": "fail",
            "Create Missing Directories": "true",
            "Permissions": "rw-------",
        },
        autoTerminatedRelationships=["success"],
        comments=comments,
    )
    it.connect(name, "failure", name)
    return name


def dead_letter(it, name, column, row, reason, status, folder="dead-letter", comments="", via=()):
    """Why a FlowFile needs a person, as attributes; then the way to its folder, over the bends in `via`."""
    it.processor(
        name, UPDATE, column, row,
        {"dead.letter.folder": folder, "dead.letter.reason": reason, "dead.letter.status": status},
        comments=comments,
    )
    it.connect(name, "success", "Report the dead letter", via)


def dead_letters(it, column, row, log_column):
    """The way of every dead letter to its folder: as a package, so that it keeps its attributes and can be put back."""
    it.processor(
        "Report the dead letter", "LogMessage", log_column, row,
        {"log-level": "error", "log-message": "${dead.letter.folder}: ${dead.letter.reason}"},
        comments="One bulletin a FlowFile that needs a person.",
    )
    it.processor(
        "Package with all attributes", "PackageFlowFile", column, row, {"max-batch-size": "1"},
        autoTerminatedRelationships=["original"],
    )
    it.processor(
        "Name the package", UPDATE, column, row + 1,
        {"filename": "${now():format(\"yyyyMMdd'T'HHmmss\",'UTC')}-status-${dead.letter.status:replaceEmpty('none')}-${uuid}.ff3"},
        comments="A file name from outside never becomes a path.",
    )
    put_file(
        it, "Write the package", column, row + 2, "#{output.folder}/${dead.letter.folder}",
        "To try again: move the file to a watched folder of scheduled-sync, or post it to its intake.",
    )
    it.connect("Report the dead letter", "success", "Package with all attributes")
    it.connect("Package with all attributes", "success", "Name the package")
    it.connect("Name the package", "success", "Write the package")


def done(it, outcome, column, row, message):
    name = f"Done: {outcome}"
    it.processor(
        name, "LogMessage", column, row, {"log-level": "info", "log-message": f"{outcome}: {message}"},
        autoTerminatedRelationships=["success"], comments="Its content is the report. Connect your own steps here.",
    )
    return name


def rejects(it, column, row):
    """Reports of batches that are stored but for some records."""
    it.processor(
        "Rejects: name the report", UPDATE, column, row,
        {"filename": "${now():format(\"yyyyMMdd'T'HHmmss\",'UTC')}-rejects-${uuid}.ndjson"},
        comments="The rest of the batch is stored. A file name from outside never becomes a path.",
    )
    put_file(it, "Rejects: write the report", column, row + 1, "#{output.folder}/rejects",
             "The rejected records with the reasons, one a line. To send them again: nifi-idb rejects FILE, then correct its output.")
    it.connect("Rejects: name the report", "success", "Rejects: write the report")
    return "Rejects: name the report"


DONE = "sync.outcome:in('committed','unchanged')"
REJECTS = "sync.rejected:replaceEmpty('0'):toNumber():plus(${sync.parked:replaceEmpty('0')}):gt(0)"
OUTCOMES = {
    "committed": f"${{sync.outcome:equals('committed'):and(${{{REJECTS}:not()}})}}",
    "unchanged": f"${{sync.outcome:equals('unchanged'):and(${{{REJECTS}:not()}})}}",
    "partly rejected": f"${{{DONE}:and(${{{REJECTS}}})}}",
}
DONE_MESSAGE = ("${registry.bucket}/${registry.flow} version ${registry.flow.version}, put ${sync.put}, deleted "
                "${sync.deleted}, root ${sync.root}")

# Milliseconds since it came, against the parameter.
WAITED_TOO_LONG = ("${now():toNumber():minus(${waits.since:replaceEmpty('0')})"
                   ":gt(${#{keep.hours}:toNumber():multiply(3600000)})}")


def keep_hours(it):
    it.parameter("keep.hours", "168", "Hours for which a FlowFile is tried again before it becomes a dead letter")


def cors_origins(it, what):
    it.parameter("cors.origins", "", f"Origins of web pages that may {what}, with commas between them; empty: none")


def listen(it, column, row, after):
    """Intake over HTTP: custody at once. Everything goes on to `after`."""
    it.parameter("intake.port", "8090", "Port where batches are posted, to /batches; it listens on all addresses")
    it.processor(
        "Take batches over HTTP", "ListenHTTP", column, row,
        {
            "Base Path": "batches",
            "Listening Port": "#{intake.port}",
            "HTTP Headers to receive as Attributes (Regex)": "(?i)(indexeddb[.].*|idempotency-key|content-type)",
            "Return Code": "200",
        },
        comments="POST /batches: bare records, indexeddb-changes/1, or application/flowfile-v3.",
    )
    it.processor(
        "HTTP: names in any spelling", UPDATE, column, row + 1,
        {
            "intake.key": "${allMatchingAttributes('(?i)idempotency-key'):join('')}",
            "intake.type": "${allMatchingAttributes('(?i)content-type'):join('')}",
            **{f"intake.{name}": f"${{allMatchingAttributes('(?i)indexeddb[.]{name.replace('.', '[.]')}'):join('')}}" for name in READ},
        },
        comments="A header keeps the spelling of the client or proxy, for example Indexeddb.database.",
    )
    it.processor(
        "HTTP: stamp time and delivery", UPDATE, column, row + 2,
        {
            "indexeddb.received.at": "${entryDate:toNumber()}",
            "waits.since": "${entryDate:toNumber()}",
            "idempotency-key": "${intake.type:contains('flowfile'):or(${intake.key:isEmpty()}):ifElse(${uuid},${intake.key})}",
            "mime.type": "${mime.type:replaceEmpty('application/x-ndjson')}",
            **{f"indexeddb.{name}": f"${{indexeddb.{name}:replaceEmpty(${{intake.{name}}})}}" for name in READ},
            "indexeddb.rejects": "text",
            "Delete Attributes Expression": rf"intake[.].*|{LEFTOVERS}",
        },
        comments="The time of receipt is set here, never by the client, because packaging makes a new FlowFile with "
        "a new time. A key for a whole package does not apply to each FlowFile in it.",
    )
    it.connect("Take batches over HTTP", "success", "HTTP: names in any spelling")
    it.connect("HTTP: names in any spelling", "success", "HTTP: stamp time and delivery")
    it.connect("HTTP: stamp time and delivery", "success", after)
