package plugin_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/waf-filter/plugin"
)

// rules look for "attack" in each part of a stream.
const rules = `"SecRuleEngine On", "SecRequestBodyAccess On", "SecResponseBodyAccess On", "SecResponseBodyMimeType text/plain", ` +
	`"SecRule REQUEST_HEADERS:x \"@contains attack\" \"id:1,phase:1,deny,log,msg:'in a header'\"", ` +
	`"SecRule ARGS_POST \"@contains attack\" \"id:2,phase:2,deny,status:418,log,msg:'in a field'\"", ` +
	`"SecRule RESPONSE_HEADERS:x \"@contains attack\" \"id:3,phase:3,deny,log,msg:'in an answer header'\"", ` +
	`"SecRule RESPONSE_BODY \"@contains attack\" \"id:4,phase:4,deny,log,msg:'in an answer'\""`

// exchange is a request and its answer.
type exchange struct {
	*testing.T
	host    *hosttest.Host
	handler host.Handler
}

func begin(t *testing.T, more string, headers ...[2]string) (*exchange, host.Action) {
	t.Helper()
	h := &hosttest.Host{Config: []byte(`{"rules": [` + rules + `]` + more + `}`)}
	handler, err := plugin.Filter.Configure(h)
	require.NoError(t, err)
	h.NextRequest(append([][2]string{{":method", "POST"}, {":path", "/"}, {":authority", "a"}, {"content-type", "application/x-www-form-urlencoded"}}, headers...), nil)
	h.End = false
	return &exchange{t, h, handler}, handler.RequestHeaders(h)
}

// body sends a part of the request's body: the host keeps what the filter has stopped.
func (e *exchange) body(chunk string, end bool) host.Action {
	e.host.Body += chunk
	e.host.End = end
	action := e.handler.(host.Inspector).RequestBody(e.host, uint32(len(e.host.Body)))
	if action == host.Continue {
		e.host.Body = ""
	}
	return action
}

func (e *exchange) answer(headers ...[2]string) host.Action {
	e.host.Upstream, e.host.End = headers, false
	return e.handler.(host.Follower).ResponseHeaders(e.host)
}

func (e *exchange) answerBody(chunk string, end bool) host.Action {
	e.host.UpstreamBody += chunk
	e.host.End = end
	action := e.handler.(host.Inspector).ResponseBody(e.host, uint32(len(e.host.UpstreamBody)))
	if action == host.Continue {
		e.host.UpstreamBody = ""
	}
	return action
}

func (e *exchange) record() string { return e.host.Properties["palisade.waf"] }

func (e *exchange) end() { e.handler.(host.Follower).StreamEnd(e.host) }

var text = [2]string{"content-type", "text/plain"}

func TestHarmlessExchange(t *testing.T) {
	e, action := begin(t, "")
	require.Equal(t, host.Continue, action)
	assert.Empty(t, e.record(), "nothing is decided yet")
	require.Equal(t, host.Stop, e.body("a=1", false), "kept until all is there")
	require.Equal(t, host.Stop, e.body("&b=2", false))
	require.Equal(t, host.Continue, e.body("&c=3", true))
	assert.Contains(t, e.record(), `"effect":"allow","policy":"default"`)
	require.Equal(t, host.Continue, e.answer(text))
	require.Equal(t, host.Stop, e.answerBody("fine", false))
	require.Equal(t, host.Continue, e.answerBody(", thanks", true))
	e.end()
	assert.Nil(t, e.host.Sent)
	assert.EqualValues(t, 1, e.host.Metrics["waf_filter.tx.total"])
	assert.EqualValues(t, 1, e.host.Metrics["palisade.decisions.filter.waf.effect.allow.policy.default.mode.enforce"])
	for name := range e.host.Metrics {
		assert.NotContains(t, name, "waf_hits")
	}
}

func TestBlockedInAHeader(t *testing.T) {
	e, action := begin(t, "", [2]string{"x", "attack"})
	require.Equal(t, host.Stop, action)
	assert.EqualValues(t, 403, e.host.Sent.Status)
	assert.Contains(t, e.record(), `"rule":"1","reason":"in a header"`)
	assert.NotContains(t, e.host.Sent.Body, "header", "why is not for the attacker")
	require.Equal(t, host.Stop, e.body("a=1", true), "nothing of it passes")
	require.Equal(t, host.Continue, e.answer(), "which is the refusal itself")
	e.end()
	assert.EqualValues(t, 1, e.host.Metrics["waf_filter.tx.interruptions_ruleid=1_phase=http_request_headers"])
	assert.EqualValues(t, 1, e.host.Metrics["palisade.waf_hits.policy.default.rule.1.severity.unset.phase.http_request_headers.effect.blocked"])
}

func TestBlockedInABody(t *testing.T) {
	for name, send := range map[string]func(*exchange) host.Action{
		"at once":     func(e *exchange) host.Action { return e.body("a=attack", true) },
		"over chunks": func(e *exchange) host.Action { e.body("a=att", false); return e.body("ack", true) },
		"with trailers": func(e *exchange) host.Action {
			e.body("a=attack", false)
			return e.handler.(host.Inspector).RequestTrailers(e.host)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, action := begin(t, `, "metric_labels": {"owner": "me"}`)
			require.Equal(t, host.Continue, action)
			require.Equal(t, host.Stop, send(e))
			assert.EqualValues(t, 418, e.host.Sent.Status)
			assert.Contains(t, e.record(), `"rule":"2","reason":"in a field","status":418`)
			e.end()
			assert.EqualValues(t, 1, e.host.Metrics["waf_filter.tx.interruptions_ruleid=2_phase=http_request_body_owner=me"])
		})
	}
}

func TestBlockedAnswer(t *testing.T) {
	e, _ := begin(t, "")
	require.Equal(t, host.Continue, e.body("a=1", true))
	require.Equal(t, host.Stop, e.answer([2]string{"x", "attack"}))
	assert.EqualValues(t, 403, e.host.Sent.Status)
	assert.Contains(t, e.record(), `"effect":"deny","policy":"default","rule":"3"`)
	assert.False(t, e.host.Closed)
	require.Equal(t, host.Stop, e.answerBody("more", true))
	e.end()
}

// What has begun is cut off: the client must not take a part for the whole, nor get what was found.
func TestBlockedAnswerThatHasBegun(t *testing.T) {
	e, _ := begin(t, "")
	require.Equal(t, host.Continue, e.body("a=1", true))
	require.Equal(t, host.Continue, e.answer(text))
	require.Equal(t, host.Stop, e.answerBody("att", false))
	require.Equal(t, host.Stop, e.answerBody("ack", true))
	assert.True(t, e.host.Closed)
	assert.Nil(t, e.host.Sent)
	assert.Contains(t, e.record(), `"rule":"4","reason":"the answer had begun, and was cut off: in an answer"`)
	e.end()
}

// An upstream may answer before it has read the request: what was seen of that is decided on.
func TestAnswerBeforeTheRequestEnds(t *testing.T) {
	e, _ := begin(t, "")
	require.Equal(t, host.Stop, e.body("a=1", false))
	require.Equal(t, host.Continue, e.answer(text))
	assert.Contains(t, e.record(), `"effect":"allow"`)
	e.end()

	e, _ = begin(t, "")
	require.Equal(t, host.Stop, e.body("a=attack", false))
	require.Equal(t, host.Stop, e.answer(text))
	assert.EqualValues(t, 418, e.host.Sent.Status)
	e.end()
}

func TestDryRunPassesAllParts(t *testing.T) {
	e, action := begin(t, `, "mode": "dry-run"`, [2]string{"x", "attack"})
	require.Equal(t, host.Continue, action)
	assert.Contains(t, e.record(), `"mode":"dry-run","effect":"deny"`)
	require.Equal(t, host.Continue, e.body("a=attack", true))
	require.Equal(t, host.Continue, e.answer(text))
	require.Equal(t, host.Continue, e.answerBody("attack", true))
	e.end()
	assert.Nil(t, e.host.Sent)
	assert.False(t, e.host.Closed)
}

// Whatever of a stream cannot be had is blocked.
func TestFaultsOfParts(t *testing.T) {
	for _, call := range []string{"RequestBody", "ResponseHeaders", "ResponseBody"} {
		t.Run(call, func(t *testing.T) {
			e, _ := begin(t, "")
			e.host.Fault = func(_ int, c string) bool { return c == call }
			passed := e.body("a=1", true) == host.Continue && e.answer(text) == host.Continue && e.answerBody("b", true) == host.Continue
			assert.False(t, passed)
			assert.True(t, e.host.Sent != nil || e.host.Closed)
			assert.Contains(t, e.record(), `"status":503`)
			e.end()
		})
	}
}

// The audit record is one line, and says who.
func TestAuditRecord(t *testing.T) {
	e, _ := begin(t, `, "audit": {"log": "denied"}`, [2]string{"x", "attack"}, [2]string{"x-request-id", "r-1"})
	e.end()
	log := strings.Join(e.host.Logs, "\n")
	assert.Contains(t, log, `palisade-audit {`)
	assert.Contains(t, log, `"requestId":"r-1"`)
}

func TestStreamsAreForgotten(t *testing.T) {
	e, _ := begin(t, "")
	for range 3 {
		e.host.NextRequest(e.host.Headers, nil)
		e.host.End = true
		require.Equal(t, host.Continue, e.handler.RequestHeaders(e.host))
		e.end()
	}
	e.end() // which is over
	assert.EqualValues(t, 4, e.host.Metrics["waf_filter.tx.total"])
}
