package plugin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	authz "github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	jwt "github.com/palisade-mesh/palisade/jwt-filter/plugin"
	"github.com/palisade-mesh/palisade/palisade-filter/plugin"
	ratelimit "github.com/palisade-mesh/palisade/ratelimit-filter/plugin"
)

// The module must do what the three filters do one after the other, whatever it remembers of a request and between requests.

// module is a host as a module sees it: one list of headers for all requests.
type module struct {
	*hosttest.Host
	side *side
	list [][2]string
}

func (m *module) Property(path []string) ([]byte, bool, error) {
	if strings.Join(path, ".") == m.side.failing {
		return nil, false, hosttest.ErrFault
	}
	return m.Host.Property(path)
}

func (m *module) RequestHeaders() ([][2]string, error) {
	list, err := m.Host.RequestHeaders()
	if err != nil {
		return nil, err
	}
	if cap(m.list) < len(list) {
		m.list = make([][2]string, len(list))
	}
	m.list = m.list[:cap(m.list)]
	for i := range m.list {
		m.list[i] = [2]string{"poison", "poison"}
	}
	copy(m.list, list)
	return m.list[:len(list)], nil
}

// Random is the same for both that are compared, as with it go the times of fetches.
func (m *module) Random(b []byte) error { return same(b) }

func (s *stage) Random(b []byte) error { return same(b) }

// sameRandom is the same for a compiled module.
type sameRandom struct{}

func (sameRandom) Read(b []byte) (int, error) { return len(b), same(b) }

func same(b []byte) error {
	for i := range b {
		b[i] = byte(i)*7 + 3
	}
	return nil
}

// stage is the host as one of three filters sees it: nothing is shared.
type stage struct {
	host.Host
	side *side
	row  *row
	at   int
}

func (s *stage) Property(path []string) ([]byte, bool, error) {
	if strings.Join(path, ".") == s.side.failing {
		return nil, false, hosttest.ErrFault
	}
	return s.Host.Property(path)
}

func (s *stage) Resume() error {
	if s.row.pass(s.at+1) == host.Stop {
		return nil
	}
	return s.Host.Resume()
}

func (s *stage) SetTick(time.Duration) error { return nil }

type row struct {
	handlers []host.Handler
	stages   []*stage
}

func newRow(t *testing.T, b *side, sections map[string]any) *row {
	t.Helper()
	h, r := b.fake, &row{}
	all := []struct {
		name   string
		filter host.Filter
	}{{"jwt", jwt.Filter}, {"authz", authz.Filter}, {"ratelimit", ratelimit.Filter}}
	for _, f := range all {
		if sections[f.name] == nil {
			continue
		}
		config, err := json.Marshal(sections[f.name])
		require.NoError(t, err)
		h.Config = config
		s := &stage{Host: h, side: b, row: r, at: len(r.handlers)}
		handler, err := f.filter.Configure(s)
		require.NoError(t, err)
		r.handlers, r.stages = append(r.handlers, handler), append(r.stages, s)
	}
	return r
}

func (r *row) pass(from int) host.Action {
	for i := from; i < len(r.handlers); i++ {
		if r.handlers[i].RequestHeaders(r.stages[i]) == host.Stop {
			return host.Stop
		}
	}
	return host.Continue
}

func (r *row) RequestHeaders(host.Host) host.Action { return r.pass(0) }

func (r *row) each(call func(h host.Handler, s *stage)) {
	for i := range r.handlers {
		call(r.handlers[i], r.stages[i])
	}
}

func (r *row) HTTPResponse(_ host.Host, id host.CallID, size uint32) {
	r.each(func(h host.Handler, s *stage) {
		if b, ok := h.(host.Background); ok {
			b.HTTPResponse(s, id, size)
		}
	})
}

func (r *row) Tick(host.Host) {
	r.each(func(h host.Handler, s *stage) {
		if b, ok := h.(host.Background); ok {
			b.Tick(s)
		}
	})
}

func (r *row) ResponseHeaders(host.Host) host.Action {
	for i := len(r.handlers) - 1; i >= 0; i-- {
		if f, ok := r.handlers[i].(host.Follower); ok {
			f.ResponseHeaders(r.stages[i])
		}
	}
	return host.Continue
}

func (r *row) StreamEnd(host.Host) {
	r.each(func(h host.Handler, s *stage) {
		if f, ok := h.(host.Follower); ok {
			f.StreamEnd(s)
		}
	})
}

type handler interface {
	host.Handler
	host.Background
	host.Follower
}

// side is one of the two that are compared.
type side struct {
	fake    *hosttest.Host
	host    host.Host
	failing string // a call, or a property, that fails
	handler
}

type object = map[string]any
type list = []any

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func some(r *rand.Rand, from ...any) list {
	out := list{}
	for _, e := range from {
		if r.IntN(2) == 0 {
			out = append(out, e)
		}
	}
	return out
}

func randomSections(r *rand.Rand, keys string, remote bool) object {
	level := func() string {
		return pick(r, "none", "base", "merge-slashes", "decode-and-merge-slashes", "decode-and-merge-slashes")
	}
	mode := func() string { return pick(r, "enforce", "enforce", "enforce", "dry-run") }
	provider := func(issuer string) object {
		p := object{"issuer": issuer, "forwardOriginalToken": r.IntN(4) == 0}
		if remote {
			p["jwksUri"], p["jwksCluster"] = issuer+"/keys", "idp"
		} else {
			p["jwks"] = json.RawMessage(keys)
		}
		if r.IntN(3) > 0 {
			p["fromHeaders"] = append(some(r, object{"name": "authorization", "prefix": "Token "}, object{"name": "x-token"},
				object{"name": "x-request-id"}, object{"name": "content-type", "prefix": "application/jwt "}, object{"name": "x-out"}),
				object{"name": "authorization", "prefix": "Bearer "})
			if r.IntN(2) == 0 {
				slices.Reverse(p["fromHeaders"].(list))
			}
			p["fromParams"], p["fromCookies"] = list{"t"}, list{"session"}
		}
		outputs := list{}
		for _, e := range some(r, [2]string{"x-user", "sub"}, [2]string{"x-request-id", "rid"}, [2]string{"content-type", "ct"}, [2]string{"x-out", "org"}, [2]string{"x-forwarded-for", "ip"}) {
			outputs = append(outputs, object{"header": e.([2]string)[0], "claim": e.([2]string)[1]})
		}
		p["outputClaimToHeaders"] = outputs
		return p
	}
	anyOf := object{"any": list{object{"provider": "a"}, object{"provider": "b"}}}
	sections := object{}
	sections["jwt"] = object{
		"mode": mode(), "pathNormalization": level(), "audit": object{"log": "all"},
		"providers": object{"a": provider("https://a.example"), "b": provider("https://b.example")},
		"rules": list{
			object{"match": object{"paths": list{"/public/*"}}, "require": object{"optional": anyOf}},
			object{"match": object{"paths": list{"/both"}}, "require": object{"all": list{object{"provider": "a"}, object{"provider": "b"}}}},
			object{"require": pick[any](r, anyOf, object{"optional": anyOf}, object{"provider": "a"})},
		},
	}
	authzKeys := []string{
		"request.headers[x-user]", "request.headers[authorization]", "request.headers[x-request-id]", "request.headers[content-type]",
		"request.query[t]", "request.auth.claims[sub]", "request.auth.claims[org][unit]", "request.auth.claims[a.b]", "request.auth.claims[groups]",
		"request.headers[host]", "request.method", "source.ip", "remote.ip", "source.principal", "request.auth.principal", "request.headers[cookie]",
	}
	var policies list
	for i := range 1 + r.IntN(6) {
		p := object{"name": fmt.Sprint("p", i), "action": pick(r, "ALLOW", "ALLOW", "ALLOW", "ALLOW", "DENY", "AUDIT")}
		rule := object{}
		if r.IntN(3) > 0 {
			key := pick(r, authzKeys...)
			value := "*"
			switch {
			case strings.HasSuffix(key, ".ip"):
				value = pick(r, "10.0.0.0/8", "192.0.2.7")
			case key == "source.principal":
				value = pick(r, "*", "example.org/ns/shop/sa/backend")
			case r.IntN(2) == 0:
				value = pick(r, "alice", "GET", "dots", "x", "a.example", "eng", "https://a.example/alice")
			}
			rule["when"] = list{object{"key": key, pick(r, "values", "values", "notValues"): list{value}}}
		}
		if len(rule) == 0 || r.IntN(3) == 0 {
			rule["to"] = list{object{"operation": object{"paths": list{pick(r, "/public/*", "/a/{*}", "/x", "*", "/both", "/records/{**}")}}}}
		}
		if r.IntN(5) == 0 {
			p["dryRun"] = true
		}
		p["rules"] = list{rule}
		policies = append(policies, p)
	}
	sections["authz"] = object{
		"mode": mode(), "pathNormalization": level(), "audit": object{"log": pick(r, "all", "denied")}, "defaultAction": pick(r, "allow", "deny"), "policies": policies,
		"remoteIP": object{"trustedHops": r.IntN(3)},
	}
	limitKeys := []string{"claim:sub", "claim:org.unit", "claim:a.b", "header:x-user", "header:x-request-id", "query:q", "principal", "requestPrincipal", "remoteIP", "host", "path", "method"}
	var limits list
	for i := range 1 + r.IntN(4) {
		l := object{"name": fmt.Sprint("l", i), "key": list{pick(r, limitKeys...)}, "rate": object{"requests": 1 + r.IntN(5), "per": pick(r, "1s", "1500ms", "1m")}, "onMissingKey": pick(r, "skip", "deny")}
		if r.IntN(4) == 0 {
			l["mode"] = "dry-run"
		}
		if remote && r.IntN(2) == 0 {
			l["scope"], l["rate"].(object)["per"] = "global", "1m"
		}
		limits = append(limits, l)
	}
	rl := object{"mode": mode(), "pathNormalization": level(), "audit": object{"log": "all"}, "limits": limits,
		"remoteIP": object{"trustedHops": r.IntN(2)}, "headers": pick(r, "ratelimit", "both", "x-ratelimit", "none")}
	if remote {
		rl["global"] = object{"cluster": "ratelimit", "onError": pick(r, "deny", "allow")}
	}
	if r.IntN(3) == 0 {
		rl["concurrency"] = list{object{"name": "c", "key": list{pick(r, limitKeys...)}, "max": 1 + r.IntN(3)}}
	}
	sections["ratelimit"] = rl
	for _, name := range []string{"jwt", "authz", "ratelimit"} {
		if r.IntN(12) == 0 && len(sections) > 1 {
			delete(sections, name)
		}
	}
	return sections
}

func randomTokens(t *testing.T) []string {
	var tokens []string
	for _, iss := range []string{"https://a.example", "https://b.example", "https://c.example"} {
		for i, sub := range []string{"alice", "bob", "carol", "mallory"} {
			claims := object{"iss": iss, "sub": sub, "exp": 2_000_000_000, "rid": "token-" + sub, "ct": "application/grpc", "org": object{"unit": "eng"}, "a.b": "dots", "groups": []string{"x", "y"}, "ip": "10.1.1.1"}
			if i == 2 {
				for j := range 70 {
					claims[fmt.Sprint("claim", j)] = j
				}
			}
			if i == 3 {
				delete(claims, "rid")
				claims["fill"] = strings.Repeat("x", 3000)
			}
			k := casetest.Token{Claims: claims}
			tokens = append(tokens, k.Compact(t))
			k.Tamper = "signature"
			if i == 0 {
				tokens = append(tokens, k.Compact(t))
			}
		}
	}
	return append(tokens, "", "junk", "a.b.c")
}

func randomRequest(r *rand.Rand, tokens []string) ([][2]string, map[string]string) {
	token := func() string {
		if r.IntN(4) > 0 {
			return tokens[r.IntN(9)/5*5+r.IntN(5)%5]
		}
		return tokens[r.IntN(len(tokens))]
	}
	path := pick(r, "/a/b", "/a/../x", "/public/..;/x", "/public/x", "/both", "/a//b", "/%61/b", "/a/b;v=1", "/x", "/records/1/2", "/a%2fb", "/a/b", "/x", "/public/y", pick(r, "/x", "/%00", "/a//../b"), "/a/b;x/..//y")
	switch r.IntN(4) {
	case 0:
		path += "?t=" + token()
	case 1:
		path += "?q=1&t=" + token() + "&q=2"
	}
	headers := [][2]string{{":method", pick(r, "GET", "POST", "OPTIONS")}, {":path", path}, {":authority", pick(r, "a.example", "A.Example.", "b.example:80", "a.example", "a.example", "A.Example.", "b.example:80", "a.example", pick(r, "a.example", "a@b"))}}
	add := func(name, value string) { headers = append(headers, [2]string{name, value}) }
	for range 1 + r.IntN(r.IntN(6)+1) {
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			add("authorization", pick(r, "Bearer ", "Bearer ", "Bearer ", "Bearer ", "bearer\t", "Token ", "Basic ", "x Bearer ")+token()+pick(r, "", "", "", ", Basic x", ",Bearer "+token()))
		case 4:
			add("x-token", token())
		case 5:
			add("cookie", pick(r, "a=b; session=", "session=")+token()+pick(r, "", "; c=d"))
		case 6:
			add("x-request-id", pick(r, "id-1", "id-2", token()))
		case 7:
			add("content-type", pick(r, "application/grpc", "text/plain", "application/jwt "+token(), "application/grpc+proto"))
		case 8:
			add("x-user", pick(r, "alice", "forged"))
		case 9:
			add("x-forwarded-for", pick(r, "192.0.2.7", "10.0.0.1, 192.0.2.7", "junk"))
		case 10:
			add("x-out", pick(r, "a", token()))
		case 11:
			add("origin", "x")
			add("access-control-request-method", "GET")
		}
	}
	r.Shuffle(len(headers), func(i, j int) { headers[i], headers[j] = headers[j], headers[i] })
	properties := map[string]string{}
	if r.IntN(5) > 0 {
		properties["source.address"] = pick(r, "192.0.2.7:80", "10.0.0.1:1", "10.0.0.1:0", "[2001:db8::1]:1", "/pipe", "@x")
	}
	if r.IntN(2) == 0 {
		properties["connection.uri_san_peer_certificate"] = pick(r, "spiffe://example.org/ns/shop/sa/backend", "spiffe://example.org/ns/x/sa/y", "junk")
	}
	return headers, properties
}

func state(h *hosttest.Host) object {
	headers := slices.Clone(h.Headers)
	slices.SortStableFunc(headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return object{"headers": headers, "properties": maps.Clone(h.Properties), "sent": sent(h), "resumed": h.Resumed, "metrics": maps.Clone(h.Metrics), "logs": strings.Join(h.Logs, "\n"),
		"response": slices.Clone(h.Response), "calls": len(h.HTTPCalls)}
}

func testInRow(t *testing.T, remote bool, configs, requests int) {
	tokens := randomTokens(t)
	keys := casetest.Keys(t)
	stats := map[string]int{}
	for seed := range uint64(configs) {
		r := rand.New(rand.NewPCG(seed, 7))
		sections := randomSections(r, keys, remote)
		now := time.Unix(1_750_000_000, 0)
		newHost := func() *hosttest.Host {
			return &hosttest.Host{Clock: func() time.Time { return now }, Clusters: []string{"idp", "ratelimit"}}
		}
		config, err := json.Marshal(sections)
		require.NoError(t, err)
		a := side{fake: newHost()}
		a.fake.Config = config
		a.host = &module{Host: a.fake, side: &a}
		started, err := plugin.Filter.Configure(a.host)
		require.NoError(t, err, string(config))
		a.handler = started.(handler)
		b := side{fake: newHost()}
		b.host = b.fake
		b.handler = newRow(t, &b, sections)
		sides := []*side{&a, &b}
		answered := 0
		var streams []host.StreamID
		compare := func(what string) {
			t.Helper()
			require.Equal(t, state(b.fake), state(a.fake), "seed %d, %s\n%s", seed, what, config)
		}
		for n := range requests {
			now = now.Add(time.Duration(r.IntN(400)) * time.Millisecond)
			failing := ""
			if r.IntN(4) == 0 {
				failing = pick(r, "SetProperty", "RequestHeaders", "RemoveRequestHeader", "SetRequestHeader", "AddRequestHeader", "SharedData",
					"SetSharedData", "Reply", "Resume", "HTTPCall", "DefineMetric", "AddMetric", "source.address", "connection.uri_san_peer_certificate", "Enter")
			}
			for _, s := range sides {
				s.fake.Fault = func(_ int, call string) bool { return call == failing }
				s.failing = failing
			}
			switch what := r.IntN(10); {
			case what < 6 || !remote && what < 8:
				headers, properties := randomRequest(r, tokens)
				var actions [2]host.Action
				for i, s := range sides {
					s.fake.NextRequest(slices.Clone(headers), properties)
					actions[i] = s.RequestHeaders(s.host)
				}
				compare(fmt.Sprint("request ", n, headers))
				require.Equal(t, actions[1], actions[0])
				streams = append(streams, a.fake.Stream())
				if s := a.fake.Sent; s != nil {
					stats[fmt.Sprint(s.Status)]++
				} else if actions[0] == host.Stop {
					stats["waits"]++
				} else {
					stats["passes"]++
				}
			case what < 8:
				if len(a.fake.HTTPCalls) == answered {
					continue
				}
				id := host.CallID(answered + 1)
				cluster := a.fake.HTTPCalls[answered].Cluster
				require.Equal(t, a.fake.HTTPCalls[answered], b.fake.HTTPCalls[answered])
				answered++
				status := pick(r, "200", "200", "200", "500")
				code := pick(r, rls.RateLimitResponse_OK, rls.RateLimitResponse_OK, rls.RateLimitResponse_OVER_LIMIT)
				message := casetest.ServiceAnswer(t, code)
				for _, s := range sides {
					respond := func(id host.CallID, size uint32) { s.HTTPResponse(s.host, id, size) }
					if cluster == "idp" {
						s.fake.Answer(id, status, keys, respond)
					} else {
						s.fake.AnswerGRPC(id, message, "0", respond)
					}
				}
				stats["answers of "+cluster]++
				compare(fmt.Sprint("answer ", id))
			case what == 8 && len(streams) > 0:
				at := streams[r.IntN(len(streams))]
				for _, s := range sides {
					if at == s.fake.Stream() || s.fake.Enter(at) {
						if r := s.fake; r.Sent == nil {
							s.ResponseHeaders(s.host)
						}
					}
				}
				compare("response")
			case what == 9 && len(streams) > 0:
				i := r.IntN(len(streams))
				for _, s := range sides {
					if streams[i] == s.fake.Stream() || s.fake.Enter(streams[i]) {
						s.StreamEnd(s.host)
					}
					s.fake.NextRequest(nil, nil)
					s.fake.EndRequest(streams[i])
				}
				streams = slices.Delete(streams, i, i+1)
			}
			for _, s := range sides {
				s.fake.Fault, s.failing = nil, ""
			}
			for _, s := range streams {
				for _, side := range sides {
					if side.fake.Stream() != s {
						require.True(t, side.fake.Enter(s))
					}
				}
				compare(fmt.Sprint("stream ", s, " after ", n))
			}
			if len(streams) > 6 {
				streams = streams[1:]
			}
		}
	}
	t.Log(stats)
}

func sent(h *hosttest.Host) any {
	if h.Sent == nil {
		return nil
	}
	return *h.Sent
}

func TestInRow(t *testing.T)        { testInRow(t, false, 40, 60) }
func TestInRowWaiting(t *testing.T) { testInRow(t, true, 40, 60) }

// The same of the compiled module, in which memory is used again as in a proxy.
func TestWasmInRow(t *testing.T) {
	m, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close(t.Context())) })
	m.Random = sameRandom{} // with another, other keys of limits meet in the few places of a small table
	tokens, keys := randomTokens(t), casetest.Keys(t)
	stats := map[string]int{}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 8))
		remote := seed%2 == 0
		sections := randomSections(r, keys, remote)
		if limits, ok := sections["ratelimit"].(object); ok && remote {
			limits["limits"] = limits["limits"].(list)[:1] // as many as are answered: how long a failure lasts is random
		}
		now := time.Unix(1_750_000_000, 0)
		newHost := func() *hosttest.Host {
			return &hosttest.Host{Clock: func() time.Time { return now }, Clusters: []string{"idp", "ratelimit"}}
		}
		config, err := json.Marshal(sections)
		require.NoError(t, err)
		module := newHost()
		module.Config = config
		vm, err := m.Start(t.Context(), module)
		require.NoError(t, err)
		b := side{fake: newHost()}
		b.host = b.fake
		native := newRow(t, &b, sections)
		finish := func() {
			native.ResponseHeaders(b.host)
			native.StreamEnd(b.host)
		}
		answered := 0
		waiting := map[host.StreamID]bool{}
		compare := func(what string) {
			t.Helper()
			require.Equal(t, state(b.fake), state(module), "seed %d, %s\n%s", seed, what, config)
		}
		for n := range 60 {
			now = now.Add(time.Duration(r.IntN(400)) * time.Millisecond)
			if len(module.HTTPCalls) == answered || r.IntN(4) > 0 {
				headers, properties := randomRequest(r, tokens)
				module.NextRequest(slices.Clone(headers), properties)
				b.fake.NextRequest(slices.Clone(headers), properties)
				action, err := vm.Request()
				require.NoError(t, err)
				want := native.RequestHeaders(b.host)
				require.Equal(t, want, action, "%d %d %+v %+v %v %v", seed, n, module.Sent, b.fake.Sent, module.Properties, b.fake.Properties)
				if action == host.Stop && b.fake.Sent == nil {
					waiting[b.fake.Stream()] = true
				} else {
					finish()
				}
				compare(fmt.Sprint("request ", n, headers))
				stats[fmt.Sprint(action, module.Sent != nil)]++
				continue
			}
			id, cluster := host.CallID(answered+1), module.HTTPCalls[answered].Cluster
			require.Equal(t, b.fake.HTTPCalls[answered], module.HTTPCalls[answered])
			answered++
			message := casetest.ServiceAnswer(t, pick(r, rls.RateLimitResponse_OK, rls.RateLimitResponse_OK, rls.RateLimitResponse_OVER_LIMIT))
			for h, respond := range map[*hosttest.Host]func(host.CallID, uint32){
				module: func(id host.CallID, size uint32) { require.NoError(t, vm.First().HTTPResponse(id, size)) },
				b.fake: func(id host.CallID, size uint32) { native.HTTPResponse(b.host, id, size) },
			} {
				if cluster == "idp" {
					h.Answer(id, "200", keys, respond)
				} else {
					h.AnswerGRPC(id, message, "0", respond)
				}
			}
			compare(fmt.Sprint("answer ", id))
			stats["answers of "+cluster]++
			for s := range waiting {
				for _, h := range []*hosttest.Host{module, b.fake} {
					require.True(t, h.Stream() == s || h.Enter(s))
				}
				compare(fmt.Sprint("stream ", s))
				if b.fake.Resumed || b.fake.Sent != nil {
					delete(waiting, s)
					require.NoError(t, vm.First().Finish())
					finish()
					compare(fmt.Sprint("end of ", s))
				}
			}
		}
		require.NoError(t, vm.Close())
	}
	t.Log(stats)
}
