"""moto's S3 on a free port of 127.0.0.1, with the bucket "bucket", versioned. Prints the port; ends when
standard input does, so that it never outlives the test that started it."""

import http.client
import logging
import sys

from moto.server import ThreadedMotoServer

VERSIONED = b"""<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Status>Enabled</Status></VersioningConfiguration>"""

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
# The signature says which service is meant; it is not checked.
headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request"}
for path, body in (("/bucket", b""), ("/bucket?versioning", VERSIONED)):
    client = http.client.HTTPConnection("127.0.0.1", port)
    client.request("PUT", path, body, headers)
    if client.getresponse().status != 200:
        sys.exit(f"{path} failed")
print(port, flush=True)
sys.stdin.read()
