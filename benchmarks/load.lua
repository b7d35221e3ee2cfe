-- For wrk: plays the requests of a file in turn, each thread from a place of its own, and prints what was measured as JSON.
-- The file holds, for each request, its length in bytes on a line and then the request.
local requests, at = {}, 0

function setup(thread)
  started = (started or 0) + 1
  thread:set("number", started)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local length = file:read("*n", 1)
    if length == nil then break end
    requests[#requests + 1] = file:read(length)
  end
  file:close()
  at = (number * 7919) % #requests
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
