-- Sends requests drawn at random from a file, one body a line, and counts answers that are no success.
-- BODIES names the file; the last line of output is what load.py reads.
local bodies, threads = {}, {}
failed = 0

function setup(thread)
  thread:set("seed", #threads + 1)
  table.insert(threads, thread)
end

function init()
  math.randomseed(os.time() * 100 + seed)
  local headers = { ["Content-Type"] = "application/json", ["Accept"] = "application/json" }
  for line in io.lines(os.getenv("BODIES")) do
    bodies[#bodies + 1] = wrk.format("POST", "/graphql", headers, line)
  end
end

function request()
  return bodies[math.random(#bodies)]
end

function response(status, _, body)
  if status ~= 200 or body:find('"errors"', 1, true) then
    if failed == 0 then io.stderr:write(status, " ", body:sub(1, 300), "\n") end
    failed = failed + 1
  end
end

function done(summary, latency)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("failed") end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('{"answers":%d,"microseconds":%d,"p50":%d,"p99":%d,"failed":%d,"lost":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), wrong, lost))
end
