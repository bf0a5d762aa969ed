-- Makes wrk end with one line of JSON (rates per second, times in microseconds).
done = function(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      'JSON {"requests":%d,"rate":%f,"p50":%d,"p99":%d,"p999":%d,"errors":%d,"refused":%d}\n',
      summary.requests, summary.requests / summary.duration * 1e6,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
      e.connect + e.read + e.write + e.timeout, e.status))
end
