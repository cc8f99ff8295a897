#!/usr/bin/env python3
"""Calls NiFi's FlowFileService with grpcio, and prints what came of it as one line of JSON.

  grpcio_client.py HOST:PORT WHAT [FOLDER]

WHAT is 1KB or 30MB (records of that size), again (the 1KB FlowFile), gap (changes that are missing), cut (a batch without
its end). FOLDER, if given, holds ca.pem, and for mutual TLS client.pem and client.key. The messages are compiled from the numbers that NiFi 1.28.1 has, written down here anew.
"""
import importlib
import json
import pathlib
import sys
import tempfile

import grpc
from grpc_tools import protoc

PROTO = """
syntax = "proto3";
package org.apache.nifi.processors.grpc;
service FlowFileService { rpc Send (FlowFileRequest) returns (FlowFileReply) {} }
message FlowFileRequest { int64 id = 1; map<string, string> attributes = 2; bytes content = 15; }
message FlowFileReply {
  enum ResponseCode { ERROR = 0; SUCCESS = 1; RETRY = 2; }
  ResponseCode responseCode = 1;
  string body = 2;
}
"""

RECORDS = {"indexeddb.database": "shop", "indexeddb.object.store": "data", "indexeddb.key.path": "id"}


def compiled():
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "ffs.proto").write_text(PROTO)
        arguments = ["protoc", "-I" + folder, "--python_out=" + folder, "--grpc_python_out=" + folder, "ffs.proto"]
        if protoc.main(arguments) != 0:
            sys.exit("protoc failed")
        sys.path.insert(0, folder)
        return importlib.import_module("ffs_pb2"), importlib.import_module("ffs_pb2_grpc")


def records(size):
    lines, length = [], 0
    while length < size:
        line = json.dumps({"id": len(lines), "text": "x" * (50 if size < 10000 else 900)}) + "\n"
        lines.append(line)
        length += len(line)
    return "".join(lines), len(lines)


def flowfile(what):
    if what in ("1KB", "again", "30MB"):
        text, count = records(30_000_000 if what == "30MB" else 1_000)
        flow = {"uuid": "30" if what == "30MB" else "1", "filename": "caf\u00e9", "path": "./"}
        if what == "30MB":
            flow["indexeddb.database"] = "large"
        return {**RECORDS, **flow}, text, count
    header = {
        "format": "indexeddb-changes/1", "database": "shop", "source": "a", "epoch": "e", "first": 5, "last": 5,
        "stores": [{"name": "data", "keyPath": "id"}],
    }
    lines = [header, {"op": "put", "store": "data", "value": {"id": 1}}]
    if what == "gap":
        lines.append({"op": "end", "count": 1})
    return {"uuid": what}, "".join(json.dumps(line) + "\n" for line in lines), 1


def opened(address, folder):
    if folder is None:
        return grpc.insecure_channel(address)
    read = lambda name: (pathlib.Path(folder) / name).read_bytes()
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(read("ca.pem"), read("client.key"), read("client.pem")))


def main(address, what, folder=None):
    messages, services = compiled()
    attributes, text, count = flowfile(what)
    content = text.encode()
    request = messages.FlowFileRequest(id=7, attributes=attributes, content=content)
    with opened(address, folder) as channel:
        try:
            reply = services.FlowFileServiceStub(channel).Send(request, timeout=120)
        except grpc.RpcError as error:
            print(json.dumps({"status": error.code().name, "details": error.details()}))
            return
    code = messages.FlowFileReply.ResponseCode.Name(reply.responseCode)
    print(json.dumps({"code": code, "body": reply.body, "sent": len(content), "records": count}))


main(*sys.argv[1:])
