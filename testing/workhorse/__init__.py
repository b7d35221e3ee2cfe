"""A GitLab Workhorse for the tests: an HTTP server that asks the service as the real one does, and runs git and keeps uploads itself.

`running(...)` inside a test. It is shaped by tests/recordings/workhorse-*.jsonl (gitlab-workhorse 18.9) and contract git-http 1 to 4
and 10, whose quirks it has:

* requests of Git and of LFS uploads are pre-authorised first, with the headers of the client but for those that the real one drops
  (C6), without a body, under the client's Host; every other request is passed on with its body, signed by nothing;
* only status 200 with Workhorse's media type is acted upon; it must decode into the types of the real one, else 500; any other answer
  goes to the client (32 KiB or more: a bare 500), and the media type on a request that was passed on is replaced by 500;
* a refusal at the POST of a command is unreadable for git, one at `info/refs` is printed; errors of Gitaly carry a wrong
  `Content-Encoding: gzip` (C4);
* where the service sends `100 Continue`, the client gets 200 whatever the service then says (C2);
* an upload's form is sent chunked if the client's body was, and its fields are signed; the temporary file is removed afterwards;
* with `RemoteObject` it uploads by the presigned requests of a multipart upload, and deletes the temporary object afterwards; a
  `send-url` is fetched with the client's range (contract 4.7 only: no real one was recorded with an object storage);
* `X-Sendfile` is obeyed with status 200, ranges included; audit calls follow each POST of Git, geo/proxy is asked at the start.

What it cannot show: Gitaly (git runs in this process' repositories, with the hooks of tests/live/hook_client.py; no gRPC, no object
pools, no limits of Gitaly), how a real one divides uploads to an object storage and uses credentials of its own there, multipart
forms, the document root and its pages, WebSockets, health checks of its own, Redis, the time-outs and the buffering of the real one,
its log, HTTP/2 and TLS, and what a loaded one takes.
"""

from testing.workhorse.server import Workhorse, running

__all__ = ["Workhorse", "running"]
