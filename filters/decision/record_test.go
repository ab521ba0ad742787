package decision_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
)

func TestRecordIsOneLineOfJSONWhateverARequestSays(t *testing.T) {
	const evil = "\",\"effect\":\"allow\"}\nforged \u2028\u009b\xff\\"
	r := decision.Record{
		Filter: "authz", Mode: decision.Enforce, Decision: decision.Decision{Effect: decision.Deny, Status: 403, Reason: evil},
		Method: evil, Host: evil, Path: evil, RequestID: evil,
	}
	line := r.AppendJSON(nil)
	assert.NotContains(t, string(line), "\n")
	var got map[string]any
	require.NoError(t, json.Unmarshal(line, &got))
	assert.Equal(t, map[string]any{
		"filter": "authz", "mode": "enforce", "effect": "deny", "policy": "", "rule": "", "reason": got["reason"], "status": 403.0,
		"principal": "", "requestPrincipal": "", "remoteIP": "", "method": got["method"], "host": got["host"], "path": got["path"],
		"requestId": got["requestId"],
	}, got)
	assert.Equal(t, string([]rune(evil)), got["path"])
}

func TestReply(t *testing.T) {
	d := decision.Decision{Effect: decision.Deny, Status: 403, Policy: "p", Rule: "rules[0]", Reason: `paths does not match "/x"`}
	for name, c := range map[string]struct {
		response          decision.Response
		body, contentType string
	}{
		"problem":           {decision.Response{}, `{"type":"about:blank","title":"Forbidden","status":403,"detail":"no"}`, "application/problem+json"},
		"problem explained": {decision.Response{Explain: true}, `{"type":"about:blank","title":"Forbidden","status":403,"detail":"no","policy":"p","rule":"rules[0]","reason":"paths does not match \"/x\""}`, "application/problem+json"},
		"text":              {decision.Response{Format: decision.Text}, "no\n", "text/plain; charset=utf-8"},
		"text explained":    {decision.Response{Format: decision.Text, Explain: true}, "no: paths does not match \"/x\"\n", "text/plain; charset=utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			reply := c.response.Reply(d, "no", false, [2]string{"a", "b"})
			assert.Equal(t, c.body, string(reply.Body))
			assert.Equal(t, [][2]string{{"a", "b"}, {"content-type", c.contentType}}, reply.Headers)
			assert.EqualValues(t, -1, reply.GRPC)
		})
	}
	assert.Equal(t, decision.Reply{Status: 403, GRPC: -1}, decision.Response{Format: decision.Empty}.Reply(d, "no", false))
}

func TestReplyGivesGRPCCallersTheirStatus(t *testing.T) {
	for status, want := range map[uint32]int32{400: 13, 401: 16, 403: 7, 429: 8, 503: 14, 500: 14} {
		reply := decision.Response{}.Reply(decision.Decision{Status: status}, "", true)
		assert.Equal(t, want, reply.GRPC, status)
		assert.Equal(t, status, reply.Status)
	}
}

// Envoy makes the body of a gRPC caller's refusal its grpc-message.
func TestReplyGivesGRPCCallersText(t *testing.T) {
	d := decision.Decision{Status: 429, Reason: "why"}
	for want, r := range map[string]decision.Response{
		"no": {}, "no: why": {Explain: true}, "": {Format: decision.Empty, Explain: true},
	} {
		assert.Equal(t, decision.Reply{Status: 429, GRPC: 8, Headers: [][2]string{{"a", "b"}}, Body: reply(want)}, r.Reply(d, "no", true, [2]string{"a", "b"}))
	}
}

func reply(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// Rules of a firewall have statuses of their authors' choice.
func TestReplyToAnyStatus(t *testing.T) {
	for status, want := range map[uint32][2]any{
		413: {"Content Too Large", int32(8)}, 418: {"Request Refused", int32(7)}, 500: {"Internal Server Error", int32(14)},
		502: {"Service Unavailable", int32(14)},
	} {
		grpc := decision.Response{}.Reply(decision.Decision{Status: status}, "", true)
		assert.Equal(t, want[1], grpc.GRPC, status)
		reply := decision.Response{}.Reply(decision.Decision{Status: status}, "", false)
		assert.Contains(t, string(reply.Body), `"title":"`+want[0].(string)+`"`)
	}
}

func TestAuditLogs(t *testing.T) {
	assert.True(t, decision.AuditAll.Logs(decision.Allow))
	assert.True(t, decision.AuditDenied.Logs(decision.Deny))
	assert.False(t, decision.AuditDenied.Logs(decision.Allow))
	assert.False(t, decision.AuditOff.Logs(decision.Deny))
}
