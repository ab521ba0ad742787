package plugin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/ratelimit-filter/plugin"
)

type properties = map[string]string

// asked is a request.
type asked struct {
	path    string
	headers [][2]string
	props   properties
}

func (a asked) send(t *testing.T, handler host.Handler, h *hosttest.Host) host.Action {
	t.Helper()
	path := a.path
	if path == "" {
		path = "/"
	}
	headers := append([][2]string{{":method", "GET"}, {":path", path}, {":authority", "a"}}, a.headers...)
	h.NextRequest(headers, a.props)
	return handler.RequestHeaders(h)
}

func start(t *testing.T, h *hosttest.Host) host.Handler {
	t.Helper()
	handler, err := plugin.Filter.Configure(h)
	require.NoError(t, err)
	return handler
}

func header(values ...string) asked {
	var a asked
	for _, v := range values {
		a.headers = append(a.headers, [2]string{"x", v})
	}
	return a
}

func address(text string) asked { return asked{props: properties{"source.address": text}} }

func claims(text string) asked { return asked{props: properties{"palisade.jwt": text}} }

// Which requests share a bucket, and so the one request that it has.
func TestBuckets(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		a, b asked
		same bool
	}{
		"another value":         {`"header:x"`, header("a"), header("b"), false},
		"values are not joined": {`"header:x"`, header("a", "b"), header("ab"), false},
		"nor with commas":       {`"header:x"`, header("a", "b"), header("a,b"), false},
		"parts are not joined":  {`"header:x", "header:y"`, header("a", "b"), asked{headers: [][2]string{{"x", "a"}, {"y", "b"}}}, false},
		"values stay in their part": {
			`"header:x", "header:y"`, asked{headers: [][2]string{{"x", "a"}, {"x", "b"}, {"y", "c"}}},
			asked{headers: [][2]string{{"x", "a"}, {"y", "b"}, {"y", "c"}}}, false,
		},
		"a path's readings":          {`"path"`, asked{path: "/a/./b?c"}, asked{path: "/a//b"}, true},
		"missing parts are one":      {`"header:x", "query:q"`, header("a"), asked{path: "/?q=b"}, true},
		"missing is not empty":       {`"header:x"`, header("s"), header(), false},
		"empty is missing":           {`"header:x"`, header(""), header(), true},
		"two empty values are not":   {`"header:x"`, header("", ""), header(), false},
		"port of an address":         {`"remoteIP"`, address("10.0.0.1:1"), address("10.0.0.1:2"), true},
		"another address":            {`"remoteIP"`, address("10.0.0.1:1"), address("10.0.0.2:1"), false},
		"the same IPv4 block":        {`"remoteIP/24"`, address("10.0.0.1:1"), address("10.0.0.2:1"), true},
		"another IPv4 block":         {`"remoteIP/24"`, address("10.0.0.1:1"), address("10.0.1.1:1"), false},
		"the same IPv6 site":         {`"remoteIP"`, address("[2001:db8::1]:1"), address("[2001:db8:0:0:1::2]:1"), true},
		"another IPv6 site":          {`"remoteIP/8"`, address("[2001:db8::1]:1"), address("[2001:db8:0:1::1]:1"), false},
		"IPv4 written as IPv6":       {`"remoteIP"`, address("10.0.0.1:1"), address("[::ffff:10.0.0.1]:1"), true},
		"addresses of a header":      {`"remoteIP"`, address("10.0.0.1:0"), address("10.0.0.2:0"), true},
		"claims of the first token":  {`"claim:sub"`, claims(`{"a":{"sub":"x"},"b":{"sub":"y"}}`), claims(`{"a":{"sub":"x"},"b":{"sub":"z"}}`), true},
		"claims of the second token": {`"claim:sub"`, claims(`{"a":{},"b":{"sub":"y"}}`), claims(`{"b":{"sub":"y"}}`), true},
		"a claim with a dot":         {`"claim:a.b"`, claims(`{"p":{"a.b":"1","a":{"b":"2"}}}`), claims(`{"p":{"a":{"b":"1"}}}`), true},
		"another text of CEL":        {`"cel:x"`, header("a"), header("b"), false},
		"the same text of CEL":       {`"cel:x", "header:y"`, asked{headers: [][2]string{{"x", "a"}, {"y", "b"}}}, asked{headers: [][2]string{{"y", "b"}, {"x", "a"}}}, true},
		"CEL is not joined":          {`"cel:x", "header:x"`, header("ab", ""), header("a", "b"), false},
		"no text of CEL":             {`"cel:x", "query:q"`, header(""), asked{headers: [][2]string{{"x", ""}}, path: "/?q=b"}, true},
		"elements of a list":         {`"claim:g"`, claims(`{"p":{"g":["1","2"]}}`), claims(`{"p":{"g":["12"]}}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hosttest.Host{Config: []byte(`{"limits": [{"name": "a", "key": [` + c.key + `], "rate": {"requests": 1, "per": "1h"}}]}`)}
			h.Functions = firstX(h)
			handler := start(t, h)
			require.Equal(t, host.Continue, c.a.send(t, handler, h))
			require.Equal(t, host.Stop, c.a.send(t, handler, h), "the same request has the same bucket")
			assert.Equal(t, c.same, c.b.send(t, handler, h) == host.Stop)
		})
	}
}

// firstX is an engine whose expressions all come to the first header x.
func firstX(h *hosttest.Host) map[string]func([]byte) ([]byte, error) {
	return map[string]func([]byte) ([]byte, error){
		"expr_create": func([]byte) ([]byte, error) { return []byte{7, 0, 0, 0}, nil },
		"expr_evaluate": func([]byte) ([]byte, error) {
			for _, p := range h.Headers {
				if p[0] == "x" {
					return []byte(p[1]), nil
				}
			}
			return nil, hosttest.ErrFault
		},
	}
}

// What the engine does not accept refuses the configuration, with its place.
func TestExpressionRefused(t *testing.T) {
	h := &hosttest.Host{Config: []byte(`{"limits": [{"name": "a", "key": ["method", "cel:a ++ b"], "rate": {"requests": 1, "per": "1h"}}]}`)}
	_, err := plugin.Filter.Configure(h)
	require.Error(t, err)
	assert.Contains(t, err.Error(), `$.limits[0].key[1]: found "cel:a ++ b": the host's CEL engine does not accept`)
}

// A new configuration, which Envoy starts beside the old one, goes on with the counts.
func TestCountsSurviveAnUpdate(t *testing.T) {
	now := time.Unix(1e9, 0)
	clock := func() time.Time { return now }
	workers := []*hosttest.Host{{Clock: clock}, {Clock: clock}, {Clock: clock}}
	workers[0].ShareWith(workers[1])
	workers[0].ShareWith(workers[2])
	for i, config := range []string{
		`{"limits": [{"name": "a", "rate": {"requests": 2, "per": "1h"}}]}`,
		`{"limits": [{"name": "a", "rate": {"requests": 2, "per": "1h"}}, {"name": "b", "rate": {"requests": 9, "per": "1h"}}]}`,
		`{"limits": [{"name": "a", "rate": {"requests": 1, "per": "1m"}}]}`,
	} {
		workers[i].Config = []byte(config)
	}
	first, second, third := start(t, workers[0]), start(t, workers[1]), start(t, workers[2])
	assert.Equal(t, host.Continue, asked{}.send(t, first, workers[0]))
	assert.Equal(t, host.Continue, asked{}.send(t, second, workers[1]))
	assert.Equal(t, host.Stop, asked{}.send(t, first, workers[0]))
	assert.Equal(t, host.Stop, asked{}.send(t, third, workers[2]), "what was used stays used when the rate changes")
	assert.Equal(t, "60", workers[2].Sent.Header("retry-after"))
	now = now.Add(time.Minute)
	assert.Equal(t, host.Continue, asked{}.send(t, third, workers[2]))
}

// A limit that was tried begins to be enforced with full buckets.
func TestDryRunHasBucketsOfItsOwn(t *testing.T) {
	trial, enforced := &hosttest.Host{}, &hosttest.Host{}
	trial.ShareWith(enforced)
	trial.Config = []byte(`{"limits": [{"name": "a", "mode": "dry-run", "rate": {"requests": 1, "per": "1h"}}]}`)
	enforced.Config = []byte(`{"limits": [{"name": "a", "rate": {"requests": 1, "per": "1h"}}]}`)
	assert.Equal(t, host.Continue, asked{}.send(t, start(t, trial), trial))
	assert.Equal(t, host.Continue, asked{}.send(t, start(t, enforced), enforced))
	assert.Equal(t, host.Stop, asked{}.send(t, start(t, enforced), enforced))
}

func TestMetrics(t *testing.T) {
	h := &hosttest.Host{Clock: func() time.Time { return time.Unix(1e9, 0) }, Config: []byte(`{"maxKeys": 1, "limits": [
		{"name": "a b", "key": ["header:x"], "rate": {"requests": 5, "per": "1h"}},
		{"name": "try", "mode": "dry-run", "rate": {"requests": 1, "per": "1h"}}]}`)}
	handler := start(t, h)
	for range 6 {
		header("1").send(t, handler, h)
	}
	assert.EqualValues(t, 2, h.Metrics["palisade.ratelimit_near_limit.policy.a_b"])
	assert.EqualValues(t, 5, h.Metrics["palisade.decisions.filter.ratelimit.effect.allow.policy.a_b.mode.enforce"])
	assert.EqualValues(t, 1, h.Metrics["palisade.decisions.filter.ratelimit.effect.deny.policy.a_b.mode.enforce"])
	assert.EqualValues(t, 4, h.Metrics["palisade.decisions.filter.ratelimit.effect.deny.policy.try.mode.dry-run"])
	assert.EqualValues(t, 2, h.Metrics["palisade.ratelimit_keys"])
	for i := range 20 {
		header(string(rune('a'+i))).send(t, handler, h)
	}
	assert.EqualValues(t, 16, h.Metrics["palisade.ratelimit_keys"], "one slot has no more room")
	assert.Positive(t, h.Metrics["palisade.ratelimit_evictions"])
}

// What cannot be read is refused, but for dry-run, which never rejects and says what it would have done.
func TestUnreadableRequest(t *testing.T) {
	for mode, want := range map[string]host.Action{"enforce": host.Stop, "dry-run": host.Continue} {
		h := &hosttest.Host{Config: []byte(`{"mode": "` + mode + `"}`)}
		handler := start(t, h)
		h.Fault = func(_ int, call string) bool { return call == "RequestHeaders" }
		assert.Equal(t, want, handler.RequestHeaders(h))
		assert.Equal(t, want == host.Stop, h.Sent != nil)
		assert.Contains(t, h.Properties["palisade.ratelimit"], `"status":503`)
	}
}
