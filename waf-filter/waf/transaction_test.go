package waf_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// exchange is a request with its answer.
type exchange struct {
	method, target, host string // default: GET / of service.test
	headers              [][2]string
	body                 string
	status               string // of the answer; default: 200
	answer               [][2]string
	answerBody           string
}

func (e *exchange) request() [][2]string {
	method, target, host := "GET", "/", "service.test"
	if e.method != "" {
		method = e.method
	}
	if e.target != "" {
		target = e.target
	}
	if e.host != "" {
		host = e.host
	}
	return append([][2]string{{":method", method}, {":path", target}, {":authority", host}, {":scheme", "https"}}, e.headers...)
}

// through takes an exchange through the firewall as a proxy does, in chunks, and gives the transaction before Close.
func (e *exchange) through(t testing.TB, f *waf.Firewall, chunk int) *waf.Transaction {
	t.Helper()
	tx := &waf.Transaction{}
	t.Cleanup(tx.Close)
	defer tx.End()
	step := f.Begin(tx, &waf.Connection{ClientIP: "192.0.2.1", ServerIP: "192.0.2.2", ServerPort: 443, Protocol: "HTTP/1.1"},
		e.request(), e.body == "")
	if e.body != "" && step != waf.Block {
		step = feed(e.body, chunk, tx.RequestBody)
	}
	require.NotEqual(t, waf.Hold, step)
	if step == waf.Block {
		return tx
	}
	status := "200"
	if e.status != "" {
		status = e.status
	}
	step = tx.ResponseHeaders(append([][2]string{{":status", status}}, e.answer...), e.answerBody == "")
	if e.answerBody != "" && step != waf.Block {
		step = feed(e.answerBody, chunk, tx.ResponseBody)
	}
	require.NotEqual(t, waf.Hold, step)
	return tx
}

// feed gives a body in chunks; of the next one whatever the last one came to.
func feed(body string, chunk int, next func([]byte, bool) waf.Step) waf.Step {
	for {
		n := min(len(body), chunk)
		part := []byte(body[:n])
		step := next(part, n == len(body))
		clear(part) // as a proxy's buffer is used again
		if body = body[n:]; step == waf.Block || body == "" {
			return step
		}
	}
}

var browser = [][2]string{{"user-agent", "Mozilla/5.0"}, {"accept", "*/*"}}

func with(headers ...string) [][2]string {
	out := browser[:len(browser):len(browser)]
	for i := 0; i < len(headers); i += 2 {
		out = append(out, [2]string{headers[i], headers[i+1]})
	}
	return out
}

func TestPhases(t *testing.T) {
	// The rules by which coraza-proxy-wasm shows a block in each phase.
	f := compile(t, `{"rules": ["Include @demo-conf",
		"SecRule REQUEST_URI \"@streq /admin\" \"id:101,phase:1,t:lowercase,deny\"",
		"SecRule REQUEST_BODY \"@rx maliciouspayload\" \"id:102,phase:2,t:lowercase,deny\"",
		"SecRule RESPONSE_STATUS \"@streq 406\" \"id:103,phase:3,t:lowercase,deny\"",
		"SecRule RESPONSE_BODY \"@contains responsebodycode\" \"id:104,phase:4,t:lowercase,deny\""]}`)
	form := with("content-type", "application/x-www-form-urlencoded")
	text := [][2]string{{"content-type", "text/plain; charset=utf-8"}}
	for name, c := range map[string]struct {
		exchange
		blocked waf.Phase
		rule    string
	}{
		"nothing":                {exchange{method: "POST", headers: form, body: "a=b", answer: text, answerBody: "fine"}, 0, ""},
		"request headers":        {exchange{target: "/admin"}, waf.RequestHeaders, "101"},
		"request body":           {exchange{method: "POST", headers: form, body: "a=maliciouspayload"}, waf.RequestBody, "102"},
		"response headers":       {exchange{status: "406"}, waf.ResponseHeaders, "103"},
		"response body":          {exchange{answer: text, answerBody: "a responsebodycode b"}, waf.ResponseBody, "104"},
		"a type not looked at":   {exchange{answer: [][2]string{{"content-type", "image/png"}}, answerBody: "responsebodycode"}, 0, ""},
		"events are not kept":    {exchange{answer: [][2]string{{"content-type", "text/event-stream"}}, answerBody: "responsebodycode"}, 0, ""},
		"status before its body": {exchange{status: "406", answer: text, answerBody: "responsebodycode"}, waf.ResponseHeaders, "103"},
	} {
		for _, chunk := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprint(name, " by ", chunk), func(t *testing.T) {
				tx := c.through(t, f, chunk)
				assert.Equal(t, c.blocked, tx.Blocked())
				d := tx.Decision()
				if c.blocked == 0 {
					assert.Equal(t, decision.Allow, d.Effect)
					return
				}
				assert.Equal(t, decision.Decision{Effect: decision.Deny, Status: 403, Policy: "default", Rule: c.rule, Reason: "rule " + c.rule + " matches"}, d)
			})
		}
	}
}

// What comes after a block is blocked, and the reply that the proxy sends for it is not.
func TestAfterABlock(t *testing.T) {
	f := compile(t, `{"rules": ["SecRuleEngine On", "SecAction \"id:1,phase:1,deny\"", "SecAction \"id:2,phase:3,deny\""]}`)
	var tx waf.Transaction
	require.Equal(t, waf.Block, f.Begin(&tx, &waf.Connection{}, (&exchange{}).request(), false))
	assert.Equal(t, waf.Block, tx.RequestBody([]byte("x"), false))
	assert.Equal(t, waf.Block, tx.RequestTrailers())
	assert.Equal(t, waf.Pass, tx.ResponseHeaders([][2]string{{":status", "403"}}, false))
	assert.Equal(t, waf.Pass, tx.ResponseBody([]byte("x"), true))
	assert.Equal(t, waf.RequestHeaders, tx.Blocked())
	tx.End()
	tx.Close()

	f = compile(t, `{"rules": ["SecRuleEngine On", "SecAction \"id:2,phase:3,deny\""]}`)
	require.Equal(t, waf.Pass, f.Begin(&tx, &waf.Connection{}, (&exchange{}).request(), true))
	require.Equal(t, waf.Block, tx.ResponseHeaders([][2]string{{":status", "200"}}, false))
	assert.Equal(t, waf.Block, tx.ResponseBody([]byte("x"), false))
	assert.Equal(t, waf.Block, tx.ResponseTrailers())
	tx.End()
	tx.Close()
}

// Whether the body is waited for.
func TestHold(t *testing.T) {
	const rules = `"SecRuleEngine On", "SecRequestBodyAccess On", "SecRequestBodyLimit 1000"`
	grpc := [][2]string{{"content-type", "application/grpc+proto"}, {"te", "trailers"}}
	upgrade := [][2]string{{"upgrade", "websocket"}, {"connection", "upgrade"}}
	for name, c := range map[string]struct {
		rules string
		exchange
		want waf.Step
	}{
		"a form":                   {rules, exchange{method: "POST", headers: with("content-type", "application/x-www-form-urlencoded")}, waf.Hold},
		"multipart":                {rules, exchange{method: "POST", headers: with("content-type", "multipart/form-data; boundary=x")}, waf.Hold},
		"an unknown type, limited": {rules, exchange{method: "POST", headers: with("content-type", "a/b")}, waf.Hold},
		"not limited":              {rules + `, "SecRequestBodyLimitAction ProcessPartial"`, exchange{method: "POST", headers: with("content-type", "a/b")}, waf.Pass},
		"detection limits nothing": {rules + `, "SecRuleEngine DetectionOnly"`, exchange{method: "POST", headers: with("content-type", "a/b")}, waf.Pass},
		"bodies are not looked at": {rules + `, "SecRequestBodyAccess Off"`, exchange{method: "POST", headers: with("content-type", "application/x-www-form-urlencoded")}, waf.Pass},
		"nor by this rule":         {rules + `, "SecAction \"id:1,phase:1,pass,ctl:requestBodyAccess=Off\""`, exchange{method: "POST", headers: with("content-type", "application/x-www-form-urlencoded")}, waf.Pass},
		"the engine is off":        {rules + `, "SecRuleEngine Off"`, exchange{method: "POST", headers: with("content-type", "application/x-www-form-urlencoded")}, waf.Pass},
		"gRPC":                     {rules, exchange{method: "POST", headers: grpc}, waf.Pass},
		"gRPC that is to be read":  {rules + `, "SecAction \"id:1,phase:1,pass,ctl:forceRequestBodyVariable=On\""`, exchange{method: "POST", headers: grpc}, waf.Hold},
		"gRPC with a second type":  {rules, exchange{method: "POST", headers: append([][2]string{{"content-type", "application/x-www-form-urlencoded"}}, grpc...)}, waf.Hold},
		"WebSocket":                {rules, exchange{headers: upgrade}, waf.Pass},
		"WebSocket with a length":  {rules, exchange{headers: append([][2]string{{"content-length", "10"}}, upgrade...)}, waf.Hold},
		"WebSocket by POST":        {rules, exchange{method: "POST", headers: upgrade}, waf.Hold},
		"a tunnel":                 {rules, exchange{method: "CONNECT", target: "service.test:443"}, waf.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			f := compile(t, `{"rules": [`+c.rules+`]}`)
			var tx waf.Transaction
			assert.Equal(t, c.want, f.Begin(&tx, &waf.Connection{}, c.request(), false))
			tx.Close()
		})
	}
}

// In a profile, the body of gRPC is not waited for; that of who claims to speak it and something else is.
func TestGRPCInProfiles(t *testing.T) {
	f := compile(t, `{"profile": "crs-pl1", "exclusions": [{"id": 920620}]}`)
	for want, headers := range map[waf.Step][][2]string{
		waf.Pass: with("content-type", "application/grpc+proto"),
		waf.Hold: with("content-type", "application/json", "content-type", "application/grpc"),
	} {
		var tx waf.Transaction
		assert.Equal(t, want, f.Begin(&tx, &waf.Connection{}, (&exchange{method: "POST", headers: append(headers, [2]string{"content-length", "9"})}).request(), false))
		tx.Close()
	}
}

// A response is kept back only for rules that look at its body, or a limit on it.
func TestHoldResponse(t *testing.T) {
	const access = `"SecRuleEngine On", "SecResponseBodyAccess On", "SecResponseBodyMimeType text/plain"`
	const partial = `, "SecResponseBodyLimitAction ProcessPartial"`
	for name, c := range map[string]struct {
		rules, status, contentType string
		want                       waf.Step
	}{
		"a rule on the body":      {access + partial + `, "SecRule RESPONSE_BODY \"@rx x\" \"id:1,phase:4,deny\""`, "200", "text/plain", waf.Hold},
		"of another type":         {access + partial + `, "SecRule RESPONSE_BODY \"@rx x\" \"id:1,phase:4,deny\""`, "200", "text/html", waf.Pass},
		"another protocol":        {access + partial + `, "SecRule RESPONSE_BODY \"@rx x\" \"id:1,phase:4,deny\""`, "101", "text/plain", waf.Pass},
		"a rule on the status":    {access + partial + `, "SecRule RESPONSE_STATUS \"@rx x\" \"id:1,phase:3,deny\""`, "200", "text/plain", waf.Pass},
		"a limit":                 {access + `, "SecRule RESPONSE_STATUS \"@rx x\" \"id:1,phase:3,deny\""`, "200", "text/plain", waf.Hold},
		"no rule on the response": {access + `, "SecRule ARGS \"@rx x\" \"id:1,phase:2,deny\""`, "200", "text/plain", waf.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			f := compile(t, `{"rules": [`+c.rules+`]}`)
			var tx waf.Transaction
			require.Equal(t, waf.Pass, f.Begin(&tx, &waf.Connection{}, (&exchange{}).request(), true))
			assert.Equal(t, c.want, tx.ResponseHeaders([][2]string{{":status", c.status}, {"content-type", c.contentType}}, false))
			tx.Close()
		})
	}
}

func TestBodyLimits(t *testing.T) {
	form := with("content-type", "application/x-www-form-urlencoded")
	long := "a=" + strings.Repeat("x", 3000)
	attack := "SecRule ARGS_POST \\\"@contains attack\\\" \\\"id:1,phase:2,deny\\\""
	for name, c := range map[string]struct {
		rules, body string
		status      uint32
		reason      string
	}{
		"refused":             {`"SecRequestBodyLimit 1000"`, long, 413, "the request's body is larger than SecRequestBodyLimit"},
		"cut":                 {`"SecRequestBodyLimit 1000", "SecRequestBodyLimitAction ProcessPartial"`, long, 200, ""},
		"an attack before it": {`"SecRequestBodyLimit 1000", "SecRequestBodyLimitAction ProcessPartial"`, "b=attack&" + long, 403, "rule 1 matches"},
		"an attack behind it": {`"SecRequestBodyLimit 1000", "SecRequestBodyLimitAction ProcessPartial"`, long + "&b=attack", 200, ""},
		"within it":           {`"SecRequestBodyLimit 10000"`, long, 200, ""},
		"more than in memory": {`"SecRequestBodyLimit 10000", "SecRequestBodyInMemoryLimit 100"`, long + "&b=attack", 403, "rule 1 matches"},
		"less than in memory": {`"SecRequestBodyInMemoryLimit 131072", "SecRequestBodyLimit 1000"`, long, 413, ""},
	} {
		for _, chunk := range []int{100, 1 << 20} {
			t.Run(fmt.Sprint(name, " by ", chunk), func(t *testing.T) {
				f := compile(t, `{"rules": ["SecRuleEngine On", "SecRequestBodyAccess On", `+c.rules+`, "`+attack+`"]}`)
				tx := (&exchange{method: "POST", headers: form, body: c.body}).through(t, f, chunk)
				assert.Equal(t, c.status, tx.Decision().Status)
				assert.Contains(t, tx.Decision().Reason, c.reason)
			})
		}
	}
	for action, status := range map[string]uint32{"Reject": 500, "ProcessPartial": 200} {
		f := compile(t, `{"rules": ["SecRuleEngine On", "SecResponseBodyAccess On", "SecResponseBodyMimeType text/plain",
			"SecResponseBodyLimit 100", "SecResponseBodyLimitAction `+action+`", "SecRule RESPONSE_BODY \"@rx nothing\" \"id:1,phase:4,deny\""]}`)
		tx := (&exchange{answer: [][2]string{{"content-type", "text/plain"}}, answerBody: long}).through(t, f, 30)
		assert.Equal(t, status, tx.Decision().Status, action)
	}
}

// Past the limit, with ProcessPartial, nothing is kept back any more.
func TestPastTheLimit(t *testing.T) {
	f := compile(t, `{"rules": ["SecRuleEngine On", "SecRequestBodyAccess On", "SecRequestBodyLimit 100", "SecRequestBodyLimitAction ProcessPartial",
		"SecResponseBodyAccess On", "SecResponseBodyMimeType text/plain", "SecResponseBodyLimit 100", "SecResponseBodyLimitAction ProcessPartial",
		"SecRule RESPONSE_BODY \"@rx nothing\" \"id:1,phase:4,deny\""]}`)
	var tx waf.Transaction
	defer tx.Close()
	e := exchange{method: "POST", headers: with("content-type", "application/x-www-form-urlencoded")}
	chunk := make([]byte, 60)
	require.Equal(t, waf.Hold, f.Begin(&tx, &waf.Connection{}, e.request(), false))
	assert.Equal(t, waf.Hold, tx.RequestBody(chunk, false))
	assert.Equal(t, waf.Pass, tx.RequestBody(chunk, false))
	assert.Equal(t, waf.Pass, tx.RequestBody(chunk, false))
	require.Equal(t, waf.Hold, tx.ResponseHeaders([][2]string{{":status", "200"}, {"content-type", "text/plain"}}, false))
	assert.Equal(t, waf.Hold, tx.ResponseBody(chunk, false))
	assert.Equal(t, waf.Pass, tx.ResponseBody(chunk, false))
	assert.Equal(t, waf.Pass, tx.ResponseBody(chunk, true))
}

// What the engine cannot do blocks: here a body grows past what its buffer was made for, because a rule has raised the limit.
func TestEngineErrorsBlock(t *testing.T) {
	f := compile(t, `{"rules": ["SecRuleEngine On", "SecRequestBodyAccess On", "SecRequestBodyLimit 100",
		"SecAction \"id:1,phase:1,pass,ctl:requestBodyLimit=10000\""]}`)
	tx := (&exchange{method: "POST", headers: with("content-type", "application/x-www-form-urlencoded"), body: strings.Repeat("x", 500)}).through(t, f, 1000)
	assert.Equal(t, decision.Deny, tx.Decision().Effect)
	assert.EqualValues(t, 503, tx.Decision().Status)
	assert.Contains(t, tx.Decision().Reason, "the engine failed: limit reached while writing")
}

func TestAmbiguousRequestsAreRefused(t *testing.T) {
	f := compile(t, `{"profile": "crs-pl1"}`)
	for name, headers := range map[string][][2]string{
		"two paths":    {{":method", "GET"}, {":path", "/"}, {":path", "/b"}, {":authority", "a"}},
		"two methods":  {{":method", "GET"}, {":method", "POST"}, {":path", "/b"}, {":authority", "a"}},
		"two hosts":    {{":method", "GET"}, {":path", "/"}, {":authority", "a"}, {":authority", "b"}},
		"a user in it": {{":method", "GET"}, {":path", "/"}, {":authority", "a:x@b"}},
	} {
		var tx waf.Transaction
		assert.Equal(t, waf.Block, f.Begin(&tx, &waf.Connection{}, headers, true), name)
		assert.EqualValues(t, 400, tx.Decision().Status, name)
	}
}

func TestAuthorities(t *testing.T) {
	set := func(id string) string { return `["SecRuleEngine On", "SecAction \"id:` + id + `,phase:1,deny\""]` }
	f := compile(t, `{"unmatched": "block", "directives_map": {"a": `+set("1")+`, "b": `+set("2")+`, "c": `+set("3")+`},
		"per_authority_directives": {"a.example": "a", "A.example:8443": "b", "[2001:DB8::1]": "b"}, "default_directives": "c"}`)
	for host, want := range map[string]string{
		"a.example": "1", "A.EXAMPLE": "1", "a.example.": "1", "a.example:80": "1", "a.Example.:80": "1",
		"a.example:8443": "2", "a.example.:8443": "2", "[2001:db8::1]": "2", "[2001:db8::1]:443": "2",
		"b.example": "3", "xa.example": "3", "a.example.org": "3", "": "3",
	} {
		var tx waf.Transaction
		require.Equal(t, waf.Block, f.Begin(&tx, &waf.Connection{}, [][2]string{{":method", "GET"}, {":path", "/"}, {":authority", host}}, true))
		assert.Equal(t, want, tx.Decision().Rule, host)
		tx.Close()
	}
}

// The names that rules see: a host of HTTP/1.1, and the pseudo-headers only where a rule asks for them.
func TestVariables(t *testing.T) {
	seen := func(rule string) bool {
		f := compile(t, `{"rules": ["SecRuleEngine On", "SecRule `+rule+` \"id:1,phase:1,deny\""]}`)
		return (&exchange{host: "A.example:8443", target: "/a%20b?c=d%26"}).through(t, f, 1).Blocked() != 0
	}
	assert.True(t, seen(`REQUEST_HEADERS:Host \"@streq A.example:8443\"`))
	assert.True(t, seen(`SERVER_NAME \"@streq a.example\"`))
	assert.True(t, seen(`REQUEST_HEADERS::path \"@streq /a%20b?c=d%26\"`))
	assert.False(t, seen(`REQUEST_HEADERS \"@contains c=d\"`))
	assert.True(t, seen(`REQUEST_LINE \"@streq GET /a%20b?c=d%26 HTTP/1.1\"`))
	assert.True(t, seen(`ARGS_GET:c \"@streq d&\"`))
	assert.True(t, seen(`REQUEST_FILENAME \"@streq /a b\"`))
	assert.True(t, seen(`REMOTE_ADDR \"@streq 192.0.2.1\"`))
	assert.True(t, seen(`SERVER_PORT \"@eq 443\"`))
}

func TestRedirect(t *testing.T) {
	f := compile(t, `{"rules": ["SecRuleEngine On", "SecAction \"id:1,phase:1,status:302,redirect:https://a.example/sorry\""]}`)
	tx := (&exchange{}).through(t, f, 1)
	assert.EqualValues(t, 302, tx.Decision().Status)
	assert.Equal(t, "https://a.example/sorry", tx.Location())
}

func TestHits(t *testing.T) {
	hits := func(profile string) (all []waf.Hit, tx *waf.Transaction) {
		tx = (&exchange{target: "/?q=<script>alert(1)</script>", headers: browser}).through(t, compile(t, `{"profile": "`+profile+`"}`), 1)
		tx.Hits(func(h waf.Hit) bool {
			all = append(all, h)
			return true
		})
		return all, tx
	}
	all, tx := hits("crs-pl1")
	require.NotEmpty(t, all)
	assert.Equal(t, waf.Hit{Rule: 941100, Severity: "critical", Phase: waf.RequestBody, Message: "XSS Attack Detected via libinjection"}, all[0])
	assert.Equal(t, tx.Decision().Rule, fmt.Sprint(all[len(all)-1].Rule))
	assert.True(t, all[len(all)-1].Blocked)
	_, would := tx.WouldBlock()
	assert.False(t, would)

	all, tx = hits("detection-only")
	require.NotEmpty(t, all)
	assert.Zero(t, tx.Blocked())
	for _, h := range all {
		assert.False(t, h.Blocked)
	}
	rule, would := tx.WouldBlock()
	assert.True(t, would)
	assert.Contains(t, []int{949110, 949111}, rule)
}

func TestHitsAreBounded(t *testing.T) {
	rules := `"SecRuleEngine On"`
	for i := range 200 {
		rules += fmt.Sprintf(`, "SecAction \"id:%d,phase:1,pass,log\""`, i+1)
	}
	tx := (&exchange{}).through(t, compile(t, `{"rules": [`+rules+`]}`), 1)
	count := 0
	tx.Hits(func(waf.Hit) bool {
		count++
		return true
	})
	assert.Equal(t, 64, count)
}

// The audit record says which rules matched what, and nothing that is a secret.
func TestAuditRecord(t *testing.T) {
	f := compile(t, `{"rules": ["SecRuleEngine On", "SecRequestBodyAccess On", "SecAuditEngine RelevantOnly",
		"SecRule REQUEST_HEADERS|REQUEST_COOKIES|ARGS|REQUEST_URI|REQUEST_LINE|QUERY_STRING|REQUEST_BODY|RESPONSE_HEADERS \"@rx .\" \"id:1,phase:4,pass,log,auditlog,msg:'all'\"",
		"SecRule ARGS_NAMES|REQUEST_FILENAME \"@rx .\" \"id:2,phase:2,pass,log,auditlog,msg:'names'\"",
		"SecAction \"id:3,phase:1,pass,nolog\""]}`)
	for i, headers := range [][][2]string{
		{{"authorization", "Bearer hidden1"}}, {{"cookie", "session=hidden2; theme=hidden3"}}, {{"x-api-key", "hidden4"}},
		{{"proxy-authorization", "Basic hidden5"}}, {{"referer", "https://a.example/p?code=hidden6"}}, {{"x-csrf-token", "hidden7"}},
	} {
		tx := (&exchange{
			method: "POST", target: "/visible1?password=hidden8&access_token=hidden9&q=visible2",
			headers: append([][2]string{{"content-type", "application/x-www-form-urlencoded"}}, headers...),
			body:    "user%5Bpwd%5D=hidden10&pin=hidden11&shipping=visible3", answer: [][2]string{{"set-cookie", "id=hidden12"}},
		}).through(t, f, 10)
		require.True(t, tx.Audited(decision.AuditOff), "the engine asks for it")
		record := decision.Record{Filter: "waf", Mode: decision.Enforce, Decision: tx.Decision(), Principal: "example.org/ns/shop/sa/web", Path: "/visible1"}
		text := tx.AppendAudit(nil, &record)
		assert.True(t, json.Valid(text), "%s", text)
		assert.NotContains(t, string(text), "hidden", "headers %d", i)
		assert.NotContains(t, string(text), `"id":3`)
		for _, visible := range []string{`"principal":"example.org/ns/shop/sa/web"`, "visible1", "shipping", `"id":2`, `"message":"names"`, `"variable":"ARGS`} {
			assert.Contains(t, string(text), visible)
		}
	}
}

func TestAudited(t *testing.T) {
	attack := exchange{target: "/?q=<script>alert(1)</script>", headers: browser}
	for name, c := range map[string]struct {
		profile string
		exchange
		log  decision.Audit
		want bool
	}{
		"a block":                   {"crs-pl1", attack, decision.AuditDenied, true},
		"a block, off":              {"crs-pl1", attack, decision.AuditOff, false},
		"a hit that does not block": {"detection-only", attack, decision.AuditDenied, false},
		"a hit that is to be told":  {"detection-only", attack, decision.AuditAll, true},
		"nothing":                   {"crs-pl1", exchange{headers: browser}, decision.AuditAll, false},
	} {
		assert.Equal(t, c.want, c.through(t, compile(t, `{"profile": "`+c.profile+`"}`), 1).Audited(c.log), name)
	}
}

// An exclusion takes out what it names and nothing else.
func TestExclusions(t *testing.T) {
	const sqli, xss = "1'+OR+1=1--", "<script>alert(1)</script>"
	blocks := func(exclusions string, e exchange) bool {
		f := compile(t, `{"profile": "crs-pl1", "exclusions": [`+exclusions+`]}`)
		if e.headers == nil {
			e.headers = browser
		}
		return e.through(t, f, 100).Blocked() != 0
	}
	form := with("content-type", "application/x-www-form-urlencoded")
	data := with("content-type", "application/json")
	for name, c := range map[string]struct {
		exclusion string
		exchange
		blocked bool
	}{
		"by id":                        {`{"id": 942100}`, exchange{target: "/?q=" + sqli}, false},
		"not another id":               {`{"id": 942100}`, exchange{target: "/?q=" + xss}, true},
		"by a range":                   {`{"id": "942000-942999"}`, exchange{target: "/?q=" + sqli}, false},
		"by tag":                       {`{"tag": "attack-xss"}`, exchange{target: "/?q=" + xss}, false},
		"not another tag":              {`{"tag": "attack-xss"}`, exchange{target: "/?q=" + sqli}, true},
		"an argument":                  {`{"id": 942100, "argument": "q"}`, exchange{target: "/?q=" + sqli}, false},
		"in a form":                    {`{"id": 942100, "argument": "q"}`, exchange{method: "POST", headers: form, body: "q=" + sqli}, false},
		"in JSON":                      {`{"id": 942100, "argument": "json.q"}`, exchange{method: "POST", headers: data, body: `{"q": "1' OR 1=1--"}`}, false},
		"not another argument":         {`{"id": 942100, "argument": "q"}`, exchange{target: "/?r=" + sqli}, true},
		"not one that begins so":       {`{"id": 942100, "argument": "q"}`, exchange{target: "/?q2=" + sqli}, true},
		"an argument by tag":           {`{"tag": "attack-xss", "argument": "q"}`, exchange{target: "/?q=" + xss}, false},
		"not another by tag":           {`{"tag": "attack-xss", "argument": "q"}`, exchange{target: "/?r=" + xss}, true},
		"a header":                     {`{"tag": "attack-xss", "header": "referer"}`, exchange{headers: with("referer", xss)}, false},
		"not another header":           {`{"tag": "attack-xss", "header": "x-other"}`, exchange{headers: with("referer", xss)}, true},
		"a cookie":                     {`{"tag": "attack-xss", "cookie": "c"}`, exchange{headers: with("cookie", "c="+xss)}, false},
		"not another cookie":           {`{"tag": "attack-xss", "cookie": "c"}`, exchange{headers: with("cookie", "d="+xss)}, true},
		"a path":                       {`{"id": 942100, "path": "/s"}`, exchange{target: "/s?q=" + sqli}, false},
		"not below it":                 {`{"id": 942100, "path": "/s"}`, exchange{target: "/s/t?q=" + sqli}, true},
		"by tag on a path":             {`{"tag": "attack-xss", "path": "/s/*"}`, exchange{target: "/s/t?q=" + xss}, false},
		"by a range on a path":         {`{"id": "942000-942999", "path": "/s/*"}`, exchange{target: "/s/t?q=" + sqli}, false},
		"an argument by tag on a path": {`{"tag": "attack-xss", "path": "*/t", "argument": "q"}`, exchange{target: "/s/t?q=" + xss}, false},
		"not another on the path":      {`{"tag": "attack-xss", "path": "*/t", "argument": "q"}`, exchange{target: "/s/t?r=" + xss}, true},
		"in a form on a path":          {`{"id": 942100, "path": "/s/*", "argument": "q"}`, exchange{method: "POST", target: "/s/t", headers: form, body: "q=" + sqli}, false},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.blocked, blocks(c.exclusion, c.exchange)) })
	}
	assert.True(t, blocks(`{"id": 942100, "path": "/other"}`, exchange{target: "/?q=" + sqli}), "the attack is one")
}

// A path that two readers take for different ones is not excluded. The rule set has one rule, so that no other sees the attack.
func TestExclusionsOfAmbiguousPaths(t *testing.T) {
	for target, blocked := range map[string]bool{
		"/s/t": false, "/s/t.u": false, "/s/...": false, "/s/.t": false, "/s/t%20u": false, "/s/t?r=../%2f": false,
		"/t": true, "/s/../t": true, "/s/.%2e/t": true, "/s/%2E%2e/t": true, "/s/./t": true, "/s/..": true, "/s/.": true,
		"/s//t": true, "//s/t": true, "/s%2ft": true, "/s%2Ft": true, "/s/..;/t": true, "/s/t;/u": true, "/s/..%5ct": true,
		`/s/..\t`: true, "/s/..%3b/t": true, "/s/%252e%252e/t": true, "/s/t%00": true, "/s/t%0a": true, "/s/%zz": true,
	} {
		f := compile(t, `{"directives_map": {"a": ["SecRuleEngine On", "SecRule ARGS \"@contains attack\" \"id:1,phase:1,deny\""]},
			"default_directives": "a", "exclusions": [{"id": 1, "path": "/s/*"}]}`)
		path, query, _ := strings.Cut(target, "?")
		tx := (&exchange{target: path + "?q=attack&" + query}).through(t, f, 1)
		assert.Equal(t, blocked, tx.Blocked() != 0, target)
	}
}

func TestLargeTransactionsAreNotUsedAgain(t *testing.T) {
	f := compile(t, `{"profile": "crs-pl1"}`)
	object := func(fields int) string {
		b := []byte("{")
		for i := range fields {
			b = fmt.Appendf(b, `"f%d":%d,`, i, i)
		}
		return string(b[:len(b)-1]) + "}"
	}
	post := func(body string) exchange {
		return exchange{method: "POST", body: body,
			headers: with("content-type", "application/json", "content-length", fmt.Sprint(len(body)))}
	}
	for _, test := range []struct {
		name     string
		exchange exchange
		reusable bool
	}{
		{"small", exchange{target: "/?a=1"}, true},
		{"arguments", post(object(60)), true},
		{"many arguments", post(object(70)), false},
		{"many arguments of a query", exchange{target: "/?" + strings.Repeat("a=1&", 70)}, false},
		{"a large header", exchange{headers: with("x", strings.Repeat("a", 20_000))}, false},
		{"a large body", post(`{"a":"` + strings.Repeat("a", 20_000) + `"}`), false},
		{"a large answer", exchange{answer: [][2]string{{"content-type", "text/html"}}, answerBody: strings.Repeat("a", 20_000)}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.reusable, test.exchange.through(t, f, 1000).IsReusable())
		})
	}
}

// Who says that it is gRPC has its body handed on, but not what an application reads that does not care for types.
func TestWhatIsNotGRPC(t *testing.T) {
	for profile, wants := range map[string]map[string]bool{
		"crs-pl1": {
			"\x00\x00\x00\x00\x02ab": false, "\x01\x00\x00\x00\x02ab": false, "\x80\x00\x00\x00\x02ab": false, "AAAAAAJhYg==": false, "gAAAAAJhYg==": false,
			`{"a":"b"}`: true, "\n[1]": true, "<a/>": true, "--B\r\n": true, "a=b": true, "\ufeff{}": true,
		},
		"detection-only": {"{}": false},
	} {
		f := compile(t, `{"profile": "`+profile+`"}`)
		for body, want := range wants {
			for _, contentType := range []string{"application/grpc", "application/grpc-web-text", "application/grpc+proto"} {
				for _, chunk := range []int{1, 100} {
					e := exchange{method: "POST", headers: with("content-type", contentType), body: body}
					tx := e.through(t, f, chunk)
					assert.Equal(t, want, tx.Blocked() == waf.RequestBody, "%s of %q in %s: %v", contentType, body, profile, tx.Decision())
				}
			}
		}
	}
}

// Envoy removes Transfer-Encoding, without which rule 920180 takes a chunked request for one without a length.
func TestChunkedRequests(t *testing.T) {
	f := compile(t, `{"rules": ["SecRuleEngine On", "SecRule REQUEST_HEADERS:Transfer-Encoding \"@streq chunked\" \"id:1,phase:1,deny\""]}`)
	for name, c := range map[string]struct {
		protocol, method string
		headers          [][2]string
		last, want       bool
	}{
		"a body without a length":    {"HTTP/1.1", "POST", nil, false, true},
		"whatever the method":        {"HTTP/1.1", "GET", nil, false, true},
		"no body":                    {"HTTP/1.1", "POST", nil, true, false},
		"a body with a length":       {"HTTP/1.1", "POST", with("content-length", "3"), false, false},
		"a body of an old protocol":  {"HTTP/1.0", "POST", nil, false, false},
		"a body of a newer protocol": {"HTTP/2", "POST", nil, false, false},
		"of an unknown one":          {"", "POST", nil, false, false},
		"an upgrade":                 {"HTTP/1.1", "GET", with("connection", "upgrade", "upgrade", "websocket"), false, false},
		"a tunnel":                   {"HTTP/1.1", "CONNECT", nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := exchange{method: c.method, headers: c.headers}
			var tx waf.Transaction
			defer tx.Close()
			step := f.Begin(&tx, &waf.Connection{Protocol: c.protocol}, e.request(), c.last)
			assert.Equal(t, c.want, step == waf.Block)
		})
	}
}
