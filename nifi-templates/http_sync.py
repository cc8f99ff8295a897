"""http-sync: batches are kept by NiFi and posted, one by one, to a running `nifi-idb serve`."""

from canvas import NOTE_STYLE, Definition
from parts import *


def definition():
    it = Definition("http-sync", "Batches arrive over HTTP, are kept by NiFi, and are posted to a running nifi-idb serve.")
    it.parameter("serve.url", "http://127.0.0.1:8765/v1/sync", "Where nifi-idb serve takes batches")
    it.parameter("output.folder", "./nifi-idb/out", "Folder for rejects, confirm and dead-letter, which are made when needed")
    it.parameter("read.timeout", "5 mins", "How long to wait for the answer; longer than the deadline of serve")
    keep_hours(it)
    it.label(
        "nifi-idb: HTTP sync\n\n"
        "Each batch is posted to a running nifi-idb serve; no process is started. Connect any source of batches to "
        "HTTP: stamp time and delivery.\n"
        "Set the parameters serve.url and output.folder, start.\n"
        "A server that asks for a token, and every failure: nifi-templates/http-sync.md",
        -1, 0, 1, 2, NOTE_STYLE,
    )
    it.label("1 Intake. 200 means: NiFi has it on disk.", -1, 2)
    listen(it, 0, 0, "Can the attributes be headers")
    it.processor(
        "Can the attributes be headers", "RouteOnAttribute", 0, 3,
        {
            "Routing Strategy": "Route to Property name",
            "no": "${anyMatchingAttribute('indexeddb[.].*|idempotency-key'):matches('(?s).*[^ -~].*')}",
        },
        comments="InvokeHTTP can only send headers of printable ASCII characters.",
    )
    it.label("2 The call. Redirects are off: NiFi would follow one as GET, without the body. Only our own attributes are sent.", -1, 4)
    it.processor(
        "Post to nifi-idb serve", "InvokeHTTP", 0, 4,
        {
            "HTTP Method": "POST",
            "Remote URL": "#{serve.url}",
            "Content-Type": "${mime.type:replaceEmpty('application/x-ndjson')}",
            "Attributes to Send": r"indexeddb\..*|idempotency-key",
            "Follow Redirects": "False",
            "Read Timeout": "#{read.timeout}",
            "Socket Write Timeout": "#{read.timeout}",
            "Connection Timeout": "5 secs",
            "Always Output Response": "false",
            "Add Response Headers to Request": "true",
            "Penalize on \"No Retry\"": "false",
        },
        penaltyDuration="10 sec", retryCount=4, retriedRelationships=["Retry", "Failure"], maxBackoffPeriod="5 mins",
        concurrentlySchedulableTaskCount=2,
        autoTerminatedRelationships=["Original"],
        comments="The answer's headers become attributes: sync.outcome, sync.error, the counts.",
    )
    it.label("3 The outcome. 200: Response. 4xx: No Retry. 5xx and no connection: again after 10, 20, 40, 80 s, then from the start.", -1, 5)
    it.processor(
        "What became of it", "RouteOnAttribute", 0, 5,
        {"Routing Strategy": "Route to Property name", **OUTCOMES},
        comments="unmatched: a response that nifi-idb did not write.",
    )
    it.processor(
        "Is it the guard", "RouteOnAttribute", 1, 5,
        {"Routing Strategy": "Route to Property name", "confirm": "${invokehttp.status.code:equals('409')}"},
        comments="unmatched: a retry would not help.",
    )
    it.processor(
        "Has it waited too long", "RouteOnAttribute", 2, 4,
        {"Routing Strategy": "Route to Property name", "too long": WAITED_TOO_LONG},
    )
    for number, outcome in enumerate(("committed", "unchanged")):
        it.connect("What became of it", outcome, done(it, outcome, number, 6, DONE_MESSAGE))
    it.connect("What became of it", "partly rejected", rejects(it, 2, 6))
    dead_letter(
        it, "Guard: a person must confirm", 3, 6, "${sync.error} plan: ${sync.plan}", "${sync.status:replaceEmpty('6')}",
        "confirm", "Look at the reason and the plan.",
    )
    dead_letter(
        it, "Dead letter: a FlowFile", 4, 6,
        "HTTP status ${invokehttp.status.code}: ${sync.error:replaceEmpty(${invokehttp.response.body:replaceEmpty(${invokehttp.java.exception.message})}):trim()}",
        "${sync.status:replaceEmpty(${invokehttp.status.code})}",
    )
    dead_letter(it, "Dead letter: no header", 4, 3, "an attribute has characters other than ASCII: post the batch as a package", "none",
                comments="Packages (scheduled-sync) carry any characters.", via=[(4.5, 6.3)])
    dead_letters(it, 4, 7, 3)
    connect = it.connect
    connect("Can the attributes be headers", "no", "Dead letter: no header")
    connect("Can the attributes be headers", "unmatched", "Post to nifi-idb serve",
            backPressureObjectThreshold=100000, backPressureDataSizeThreshold="10 GB")
    connect("Post to nifi-idb serve", "Response", "What became of it")
    connect("Post to nifi-idb serve", "No Retry", "Is it the guard")
    connect("Post to nifi-idb serve", ["Retry", "Failure"], "Has it waited too long", via=[(0.5, 3.7)])
    connect("Has it waited too long", "too long", "Dead letter: a FlowFile")
    connect("Has it waited too long", "unmatched", "Post to nifi-idb serve")
    connect("What became of it", "unmatched", "Dead letter: a FlowFile", via=[(1.25, 4.4)])
    connect("Is it the guard", "confirm", "Guard: a person must confirm")
    connect("Is it the guard", "unmatched", "Dead letter: a FlowFile", via=[(1.75, 5)])
    return it
