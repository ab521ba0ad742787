-- Reports a run of wrk as one line of JSON, exactly, and with the percentiles that its own summary lacks.
-- The argument is the status that is expected of every response.

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
