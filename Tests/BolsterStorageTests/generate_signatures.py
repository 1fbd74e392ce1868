"""Writes Golden/signatures.json: requests with the signatures that botocore gives them.

Run it with an environment of tools/requirements.txt; the file is committed, and the tests compare with it.
"""

import datetime
import json
import pathlib

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials

CASES = [
    ("GET", "/bucket/plain.tar", [], [], ""),
    ("GET", "/bucket/a key with spaces+plus", [], [("range", "bytes=5-99")], ""),
    ("PUT", "/bucket/schön/日本/~tilde-_.", [], [("if-none-match", "*"), ("x-amz-meta-one", "a  b ")], "body"),
    ("GET", "/bucket/a//b/./../c", [], [], ""),
    ("GET", "/bucket/%41=&?#'()*!@:;,$[]", [], [], ""),
    (
        "GET",
        "/bucket",
        [
            ("list-type", "2"),
            ("prefix", "a b/ü+&="),
            ("encoding-type", "url"),
            ("continuation-token", "1/x+y=="),
            ("delimiter", "/"),
        ],
        [],
        "",
    ),
    ("POST", "/bucket/key", [("uploads", "")], [], ""),
    ("PUT", "/bucket/key", [("uploadId", "a/b+c="), ("partNumber", "12")], [], "x" * 1000),
    ("DELETE", "/bucket/key", [("uploadId", "a-b")], [], ""),
    ("GET", "/", [("a", "2"), ("a", "1"), ("a-b", "3"), ("a%", "4"), ("A", "5")], [], ""),
]
MOMENT = datetime.datetime(2026, 11, 23, 15, 30, 5, tzinfo=datetime.timezone.utc)


def quoted(text):
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 or chr(byte) in "-_.~" else f"%{byte:02X}"
        for byte in text.encode()
    )


def signed(case, token):
    method, path, query, headers, body = case
    url = "https://host.example:9000" + "/".join(map(quoted, path.split("/")))
    if query:
        url += "?" + "&".join(f"{quoted(name)}={quoted(value)}" for name, value in query)
    request = botocore.awsrequest.AWSRequest(
        method=method, url=url, headers=dict(headers), data=body.encode()
    )
    request.context["client_config"] = botocore.config.Config(s3={"payload_signing_enabled": True})
    credentials = botocore.credentials.Credentials("AKIDEXAMPLE", "a secret/with+signs", token)
    botocore.auth.S3SigV4Auth(credentials, "s3", "eu-test-1").add_auth(request)
    return {
        "method": method,
        "path": path,
        "query": query,
        "headers": headers,
        "body": body,
        "token": token,
        "authorization": request.headers["Authorization"],
    }


def main():
    botocore.auth.get_current_datetime = lambda *_, **__: MOMENT
    cases = [signed(case, token) for case in CASES for token in (None, "a token/with=signs")]
    target = pathlib.Path(__file__).parent / "Golden" / "signatures.json"
    target.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
