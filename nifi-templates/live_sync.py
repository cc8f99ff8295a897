"""live-sync: a browser posts its changes and gets acknowledgements, conflicts and what it lacks in the answer."""

from canvas import NOTE_STYLE, Definition, command
from parts import *

SYNC_PATH, SOURCES_PATH = f"/sync/{SOURCE_ID}", f"/sources/{SOURCE_ID}"


def query(name, otherwise):
    """A query parameter, or else a parameter of the flow. Headers are no place for it: their spelling changes on the way."""
    return f"${{http.query.param.{name}:replaceEmpty(${{#{{{otherwise}}}}})}}"


def definition():
    it = Definition(
        "live-sync",
        "A client posts a batch and gets the report in the answer: acknowledgements, conflicts, and the changes that it lacks.",
    )
    it.parameter("port", "8092", "Port of POST /sync/SOURCE and GET /sources/SOURCE")
    it.parameter("listen.host", "127.0.0.1", "Address that the port listens on. A reverse proxy before it ends TLS and binds "
                 "the source in the path to the credential")
    cors_origins(it, "call this flow")
    it.parameter("request.expiration", "2 mins", "A client gets 503 after this time; longer than deadline")
    it.parameter("deadline", "90s", "A run gives up after this time, and the client gets 503")
    it.parameter("idle", "30s", "A run gives up if NiFi sends nothing for this time")
    store_parameters(it)
    rules_parameters(it)
    it.parameter("database", "", "Bare records: the database's name; empty: default. Batches of another database are refused")
    it.parameter("object.store", "", "Bare records: the object store, if the query names none (indexeddb.object.store)")
    it.parameter("key.path", "", "Bare records: the key path, if the query names none (indexeddb.key.path)")

    it.label(
        "nifi-idb: live sync\n\n"
        "POST /sync/SOURCE: a batch; the response is its report, one object a line, the summary last.\n"
        "GET /sources/SOURCE: the number up to which the source's changes are durable.\n"
        "Set the parameters store and bucket, enable the controller service, start.\n"
        "Every status and every failure: nifi-templates/live-sync.md",
        -1, 0, 1, 2, NOTE_STYLE,
    )
    service = http_context(it, "#{request.expiration}")
    take = request(
        it, "Take requests", service, 1, 0, "#{port}", f"/(sync|sources)/{SOURCE_ID}", ("GET", "POST", "OPTIONS"),
        "The source is the last part of the path.",
    )
    asked, allowed = cors(it, "CORS", 1, 1)
    it.processor(
        "What is asked", "RouteOnAttribute", 1, 3,
        {
            "Routing Strategy": "Route to Property name",
            "sync": f"${{http.method:equals('POST'):and(${{http.request.uri:matches('{SYNC_PATH}')}})}}",
            "checkpoint": f"${{http.method:equals('GET'):and(${{http.request.uri:matches('{SOURCES_PATH}')}})}}",
            "preflight": "${http.method:equals('OPTIONS')}",
        },
        comments="A preflight never runs the child. unmatched: GET /sync or POST /sources.",
    )
    it.label("The preflight of a browser that posts to another origin: allowed for the origins in cors.origins.", 2, 2)
    it.processor(
        "Preflight: headers", UPDATE, 2, 3,
        {
            "http.status": "${cors.origin:isEmpty():ifElse('403','204')}",
            "mime.type": "text/plain",
            "cors.methods": "${cors.origin:isEmpty():ifElse('','GET, POST')}",
            "cors.headers": "${cors.origin:isEmpty():ifElse('','authorization, content-type, idempotency-key')}",
        },
    )
    it.processor("Wrong method", UPDATE, 3, 3, {"http.status": "405", "mime.type": "text/plain"})
    it.label("One run for each request. As many requests run at the same time as the processor has concurrent tasks.", -1, 4)
    it.processor(
        "Name the delivery", UPDATE, 0, 4,
        {"request.delivery": "${allMatchingAttributes('(?i)http[.](headers|query[.]param)[.]idempotency-key'):join('')}"},
        comments="From the header or the query parameter idempotency-key.",
    )
    it.processor(
        "Sync", "ExecuteStreamCommand", 0, 5,
        command(
            {"Ignore STDIN": "false", "Output MIME Type": "application/x-ndjson"},
            "sync", "--report", "lines", "--rejected-text", "--pull", "--expect-bytes", "${fileSize}",
            "--source=${http.request.uri:substringAfterLast('/')}",
            "--batch-id", "${request.delivery:replaceEmpty(${uuid})}", "--received-at", "${entryDate:toNumber()}",
            *STORE_ARGUMENTS, *RULES_ARGUMENTS,
            "--database", "#{database}", "--object-store", query("indexeddb.object.store", "object.store"),
            "--key-path", query("indexeddb.key.path", "key.path"),
            "--idle", "#{idle}", "--deadline", "#{deadline}",
        ),
        # A penalized FlowFile waits; a client must not wait for that.
        concurrentlySchedulableTaskCount=4, penaltyDuration="0 sec",
        autoTerminatedRelationships=["original"],
        comments="Its output is the body of the response, whether the batch is stored or not. Nothing is repeated here: "
        "only the client knows whether it still waits.",
    )
    it.processor(
        "Status of the answer", UPDATE, 0, 6, {"http.status": HTTP_STATUS, "sync.error": CAUSE},
        comments="0, 3: 200. 2: 400. 5: 422. 6: 409. 7, 8: 424. 4 and ended by a signal: 503. Else 500.",
    )
    answer = answering(
        it, "Request", service, 1, 7,
        {
            "Access-Control-Allow-Methods": "${cors.methods}", "Access-Control-Allow-Headers": "${cors.headers}",
            # The report has lines for records, and none for an input that is none.
            "sync.error": "${sync.error}",
        },
    )
    connect = it.connect
    connect(take, "success", asked)
    connect(allowed, "success", "What is asked")
    connect("What is asked", "sync", "Name the delivery")
    connect("What is asked", "checkpoint", ask_checkpoint(it, 1, 5, answer))
    connect("What is asked", "preflight", "Preflight: headers")
    connect("What is asked", "unmatched", "Wrong method", via=[(2.25, 3.7)])
    connect("Name the delivery", "success", "Sync")
    connect("Sync", ["output stream", "nonzero status"], "Status of the answer")
    connect("Status of the answer", "success", answer)
    connect("Preflight: headers", "success", answer, via=[(1.5, 6.6)])
    connect("Wrong method", "success", answer, via=[(2.5, 6.5)])
    return it
