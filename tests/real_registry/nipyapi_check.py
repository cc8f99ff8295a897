#!/usr/bin/env python3
"""Reads a flow version with nipyapi, a client that is not ours, and prints what it sees as JSON.

  nipyapi_check.py URL BUCKET FLOW [VERSION]

URL ends in /nifi-registry-api, BUCKET and FLOW are names, VERSION is the latest if it is not given. Property texts are
given as the SHA-256 of their UTF-8. Exits with 1 if there is no such bucket, flow or version.
"""
import hashlib
import json
import sys

import nipyapi
from nipyapi import registry


def one(items, name, kind):
    found = [item for item in items if item.name == name]
    if len(found) != 1:
        sys.exit("nipyapi_check.py: %d %s(s) named %r among %r" % (len(found), kind, name, [item.name for item in items]))
    return found[0]


def digest(text):
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def groups(group, path=()):
    """The group and all groups in it, each with the names that lead to it."""
    yield path, group
    for child in group.process_groups or []:
        yield from groups(child, (*path, child.name))


def processors(root):
    found = [
        {
            "group": list(path), "identifier": processor.identifier, "name": processor.name,
            "properties": {key: digest(text) for key, text in (processor.properties or {}).items() if text is not None},
        }
        for path, group in groups(root) for processor in group.processors or []
    ]
    return sorted(found, key=lambda processor: (processor["group"], processor["identifier"] or ""))


def placeholders(root):
    found = [
        {"group": list(path), "bucketId": target.bucket_id, "flowId": target.flow_id, "version": int(target.version)}
        for path, group in groups(root) for target in [group.versioned_flow_coordinates] if target
    ]
    return sorted(found, key=lambda placeholder: placeholder["group"])


def check(url, bucket_name, flow_name, version=None):
    nipyapi.config.registry_config.host = url
    buckets = registry.BucketsApi().get_buckets()
    bucket = one(buckets, bucket_name, "bucket")
    flows_api = registry.BucketFlowsApi()
    flows = flows_api.get_flows(bucket.identifier)
    flow = one(flows, flow_name, "flow")
    versions = flows_api.get_flow_versions(bucket.identifier, flow.identifier)
    if version is None:
        snapshot = flows_api.get_latest_flow_version(bucket.identifier, flow.identifier)
    else:
        snapshot = flows_api.get_flow_version(bucket.identifier, flow.identifier, int(version))
    return {
        "buckets": sorted(each.name for each in buckets),
        "bucket": bucket.identifier,
        "flows": sorted(each.name for each in flows),
        "flow": flow.identifier,
        "versions": [
            {"version": each.version, "comments": each.comments, "author": each.author} for each in versions
        ],
        "version": snapshot.snapshot_metadata.version,
        "processors": processors(snapshot.flow_contents),
        "placeholders": placeholders(snapshot.flow_contents),
    }


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    try:
        print(json.dumps(check(*sys.argv[1:]), sort_keys=True))
    except registry.rest.ApiException as error:
        sys.exit("nipyapi_check.py: the Registry answered %s: %s" % (error.status, error.body))
