"""What several definitions share: the answer to a source's checkpoint, CORS, files for people."""

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

SOURCE_ID = "[A-Za-z0-9._:-]{1,64}"

# What an earlier run left; packages of NiFi hand attributes of the whole package down to each FlowFile in it.
LEFTOVERS = r"(sync|execution|dead[.]letter|restlistener)[.].*"

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
        comments="failure: what was asked for is done, but the client is gone. It asks again; nothing is run again here.",
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


def checkpoint(it, service, column, row, port):
    """GET /sources/ID: up to which number a source's changes are durable."""
    take = request(
        it, "Checkpoint: take the question", service, column, row, port, f"/sources/{SOURCE_ID}", ("GET",),
        "GET /sources/ID. A 200 of an intake is custody; this number is the acknowledgement.",
    )
    asked, allowed = cors(it, "Checkpoint", column, row + 1)
    ask = it.processor(
        "Checkpoint: ask the store", "ExecuteStreamCommand", column, row + 3,
        command(
            {"Ignore STDIN": "true", "Output MIME Type": "application/json"},
            "sources", "--source", "${http.request.uri:substringAfterLast('/')}", *STORE_ARGUMENTS,
            "--deadline", "20s",
        ),
        concurrentlySchedulableTaskCount=2,
        autoTerminatedRelationships=["original"],
        comments="Prints one line: source, epoch, checkpoint and the version that it was read from.",
    )
    status = it.processor("Checkpoint: status of the answer", UPDATE, column, row + 4, {"http.status": HTTP_STATUS})
    log = it.processor(
        "Checkpoint: nobody waits any more", "LogMessage", column, row + 6,
        {"log-level": "warn", "log-message": "no client for the answer to ${http.request.uri}"},
        autoTerminatedRelationships=["success"],
    )
    response(it, "Checkpoint: answer", service, column, row + 5, log)
    it.connect(take, "success", asked)
    it.connect(allowed, "success", ask)
    it.connect(ask, ["output stream", "nonzero status"], status)
    it.connect(status, "success", "Checkpoint: answer")


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
