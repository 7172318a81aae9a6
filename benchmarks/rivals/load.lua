-- A script for wrk: it posts the bodies of a file, one per line, in turn, and prints the measurement as one line of JSON.
-- The marker in a body is replaced by a new number in each request, so that the gateway has never seen the document.
local bodies, requests, at, sent = {}, {}, 0, 0
local MARKER = "__N__"

function init(args)
  if args[1] == "" then
    requests[1] = wrk.format("GET")
    bodies[1] = false
    return
  end
  for line in io.lines(args[1]) do
    local fresh = line:find(MARKER, 1, true) ~= nil
    bodies[#bodies + 1] = fresh and line or false
    requests[#requests + 1] = wrk.format("POST", "/graphql", { ["Content-Type"] = "application/json" }, line)
  end
  at = tonumber(args[2] or 0)
end

function request()
  at, sent = at % #requests + 1, sent + 1
  if not bodies[at] then
    return requests[at]
  end
  local body = bodies[at]:gsub(MARKER, os.time() .. "_" .. sent)
  return wrk.format("POST", "/graphql", { ["Content-Type"] = "application/json" }, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "bytes": %d, "p50_ms": %f, "p99_ms": %f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
