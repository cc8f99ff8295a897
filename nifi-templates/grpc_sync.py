"""grpc-sync: as http-sync, with InvokeGRPC. NiFi 2.x has no such processor."""

from canvas import NOTE_STYLE, Definition
from parts import *


def counted(name):
    """A count in the answer; 0 if it has none of that name."""
    return f"invokegrpc.response.body:replaceEmpty('{{}}'):jsonPath('$.{name}'):replaceEmpty('0'):toNumber()"


def definition():
    it = Definition("grpc-sync", "NiFi 1.x only: batches arrive over HTTP, are kept by NiFi, and are sent to nifi-idb serve over gRPC.")
    it.parameter("serve.host", "127.0.0.1", "Host of nifi-idb serve")
    it.parameter("serve.port", "8765", "Port of nifi-idb serve")
    it.parameter("max.bytes", "10000000", "Larger batches are dead letters: NiFi copies each several times into its heap (60 MB "
                 "at 512 MB of heap ended it). Not above what serve takes")
    it.parameter("output.folder", "./nifi-idb/out", "Folder for rejects and dead-letter, which are made when needed")
    keep_hours(it)
    it.label(
        "nifi-idb: gRPC sync (NiFi 1.x only)\n\n"
        "Each batch is one call of FlowFileService/Send of a running nifi-idb serve. All attributes are sent. "
        "There is no time limit for a call: serve has one.\n"
        "Set the parameters serve.host, serve.port and output.folder, start.\n"
        "Every failure: nifi-templates/grpc-sync.md",
        -1, 0, 1, 2, NOTE_STYLE,
    )
    it.label("1 Intake. 200 means: NiFi has it on disk.", -1, 2)
    listen(it, 0, 0, "Is it too large")
    it.processor(
        "Is it too large", "RouteOnAttribute", 0, 3,
        {"Routing Strategy": "Route to Property name", "too large": "${fileSize:gt(${#{max.bytes}:toNumber()})}"},
        comments="NiFi holds a message in its heap several times; if the heap is full, it tries the same FlowFile for ever.",
    )
    it.label("2 The call.", -1, 4)
    it.processor(
        "Send to nifi-idb serve", "org.apache.nifi.processors.grpc.InvokeGRPC", 0, 4,
        {
            "Remote gRPC service hostname": "#{serve.host}",
            "Remote gRPC service port": "#{serve.port}",
            "Max Message Size": "4MB",
            "Use SSL/TLS": "false",
            "Send FlowFile Content": "true",
            "Penalize on \"No Retry\"": "false",
            "Always Output Response": "false",
        },
        penaltyDuration="10 sec", retryCount=4, retriedRelationships=["Retry", "Failure"], maxBackoffPeriod="5 mins",
        comments="Max Message Size limits the response; serve limits the request.",
    )
    it.label("3 The outcome. SUCCESS: Response. ERROR: No Retry. RETRY and no connection: again after 10, 20, 40, 80 s, then from the start.", -1, 5)
    it.processor(
        "What became of it", "RouteOnAttribute", 0, 5,
        {
            "Routing Strategy": "Route to Property name",
            "partly rejected": "${invokegrpc.response.body:replaceEmpty('{}'):jsonPath('$.rejected'):replaceEmpty('0'):toNumber()"
            ":plus(${invokegrpc.response.body:replaceEmpty('{}'):jsonPath('$.parked'):replaceEmpty('0')}):gt(0)}",
        },
        comments="The answer has the summary only, not the lines that were rejected.",
    )
    it.processor(
        "Were lines rejected", "RouteOnAttribute", 3, 4,
        {
            "Routing Strategy": "Route to Property name",
            # A package's line counts FlowFiles instead.
            "rejects": f"${{{counted('rejected')}:plus(${{{counted('failed')}}}):plus(${{{counted('refused')}}}):gt(0)}}",
        },
        autoTerminatedRelationships=["unmatched"],
        comments="unmatched is dropped: all of the batch is stored, or its other branch keeps it.",
    )
    dead_letter(
        it, "Rejects: keep the batch", 3, 5, "some lines of the batch are not stored: ${invokegrpc.response.body}", "rejects",
        "rejects", "A gRPC response cannot contain the rejected lines, so the whole batch is kept.",
    )
    it.processor(
        "Has it waited too long", "RouteOnAttribute", 2, 4,
        {"Routing Strategy": "Route to Property name", "too long": WAITED_TOO_LONG},
    )
    it.connect("What became of it", "unmatched", done(it, "done", 0, 6, "${invokegrpc.response.body}"))
    it.connect("What became of it", "partly rejected", done(it, "partly rejected", 1, 6, "${invokegrpc.response.body}"))
    dead_letter(
        it, "Dead letter: a FlowFile", 4, 5,
        "gRPC ${invokegrpc.response.code}: ${invokegrpc.response.body:replaceEmpty(${invokegrpc.java.exception.message})}",
        "${invokegrpc.response.code:replaceEmpty('none')}",
    )
    dead_letter(it, "Dead letter: too large", 4, 3, "${fileSize} bytes are more than max.bytes", "none",
                comments="scheduled-sync takes it: put the file into its watched folder.", via=[(4.5, 5.3)])
    dead_letters(it, 4, 6, 3)
    connect = it.connect
    connect("Is it too large", "too large", "Dead letter: too large")
    connect("Is it too large", "unmatched", "Send to nifi-idb serve",
            backPressureObjectThreshold=100000, backPressureDataSizeThreshold="10 GB")
    connect("Send to nifi-idb serve", "Response", "What became of it")
    connect("Send to nifi-idb serve", "Original", "Were lines rejected", via=[(2.25, 4.5)])
    connect("Were lines rejected", "rejects", "Rejects: keep the batch")
    connect("Send to nifi-idb serve", "No Retry", "Dead letter: a FlowFile", via=[(0.5, 4.7), (3.5, 4.7)])
    connect("Send to nifi-idb serve", ["Retry", "Failure"], "Has it waited too long", via=[(0.5, 3.7)])
    connect("Has it waited too long", "too long", "Dead letter: a FlowFile", via=[(3.25, 3.3)])
    connect("Has it waited too long", "unmatched", "Send to nifi-idb serve")
    return it
