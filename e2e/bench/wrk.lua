-- Reports a run of wrk as one line of JSON, exactly, and with the percentiles that its own summary lacks.
-- The arguments are the status that is expected of every response and, if requests take turns with bearer tokens, a
-- file with a token a line.

local thread

function setup(t)
  thread = t
end

function init(args)
  expected = tonumber(args[1])
  unexpected = 0
  -- wrk itself counts statuses above 399. A callback for each response costs the client time, so there is one
  -- only where that count is of no use.
  if expected > 399 then
    response = function(status)
      if status ~= expected then unexpected = unexpected + 1 end
    end
  end
  if args[2] and args[2] ~= "" then takeTurns(args[2]) end
end

function takeTurns(file)
  -- Made beforehand, so that sending one costs no more than sending the same again and again.
  local requests = {}
  for token in io.lines(file) do
    requests[#requests + 1] = wrk.format(nil, nil, headersWith("Bearer " .. token))
  end
  -- A turn is too short for all of them, so each begins somewhere else.
  math.randomseed(os.time())
  local at = math.random(#requests)
  request = function()
    at = at % #requests + 1
    return requests[at]
  end
end

function headersWith(authorization)
  local headers = {}
  for name, value in pairs(wrk.headers) do headers[name] = value end
  headers["Authorization"] = authorization
  return headers
end

function done(summary, latency)
  local errors = summary.errors
  local wrong = thread:get("unexpected")
  if thread:get("expected") <= 399 then wrong = errors.status end
  io.write(string.format(
    '\nwrk.lua: {"requests": %d, "microseconds": %d, "wrongStatus": %d, "socketErrors": %d, ' ..
      '"p50": %d, "p99": %d, "p99.9": %d, "max": %d}\n',
    summary.requests, summary.duration, wrong, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
