package plugin_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/jwt-filter/jwks"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

// Keys that are fetched, in a process of several workers whose clock and identity provider are the test's. In stock Envoy,
// the same is in e2e.

type object = map[string]any

// process is some workers of one proxy.
type process struct {
	t       *testing.T
	now     time.Time
	workers []*worker
	module  *wasmtest.Module // nil: natively
}

// worker is one, natively or in a module.
type worker struct {
	process *process
	host    *hosttest.Host
	request func() host.Action
	tick    func()
	respond func(host.CallID, uint32)
	tag     host.StreamID // of the newest request
}

// rings runs a test natively and in the compiled module.
func rings(t *testing.T, test func(t *testing.T, start func(config object, workers int) *process)) {
	t.Run("native", func(t *testing.T) {
		test(t, func(config object, workers int) *process { return startProcess(t, config, workers, nil) })
	})
	t.Run("Wasm", func(t *testing.T) {
		m, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.Close(t.Context())) })
		test(t, func(config object, workers int) *process { return startProcess(t, config, workers, m) })
	})
}

func startProcess(t *testing.T, config object, workers int, m *wasmtest.Module) *process {
	t.Helper()
	p := &process{t: t, now: time.Now(), module: m}
	for range workers {
		p.add(config)
	}
	return p
}

// add starts one more worker, with a configuration of its own.
func (p *process) add(config object) *worker {
	p.t.Helper()
	w := p.prepare(config)
	w.start(p.module)
	return w
}

func (p *process) prepare(config object) *worker {
	p.t.Helper()
	text, err := json.Marshal(config)
	require.NoError(p.t, err)
	w := &worker{process: p, host: &hosttest.Host{Config: text, Clusters: []string{"idp"}, Clock: func() time.Time { return p.now }}}
	p.workers = append(p.workers, w)
	p.workers[0].host.ShareWith(w.host)
	return w
}

func (w *worker) start(m *wasmtest.Module) {
	t := w.process.t
	if m == nil {
		handler, err := plugin.Filter.Configure(w.host)
		require.NoError(t, err)
		w.use(handler)
		return
	}
	vm, err := m.Start(t.Context(), w.host)
	require.NoError(t, err, strings.Join(w.host.Logs, "\n"))
	t.Cleanup(func() { require.NoError(t, vm.Close()) })
	w.request = func() host.Action {
		action, err := vm.Request()
		require.NoError(t, err)
		return action
	}
	w.tick = func() { require.NoError(t, vm.First().Tick()) }
	w.respond = func(id host.CallID, size uint32) { require.NoError(t, vm.First().HTTPResponse(id, size)) }
}

func (w *worker) use(handler host.Handler) {
	background := handler.(host.Background)
	w.request = func() host.Action { return handler.RequestHeaders(w.host) }
	w.tick = func() { background.Tick(w.host) }
	w.respond = func(id host.CallID, size uint32) { background.HTTPResponse(w.host, id, size) }
}

// pass lets time pass, with a tick of each worker every 20 ms or as they ask for.
func (p *process) pass(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(20 * time.Millisecond)
		for _, w := range p.workers {
			if w.host.Ticking > 0 && p.now.UnixMilli()%max(w.host.Ticking.Milliseconds(), 20) < 20 {
				w.tick()
			}
		}
	}
}

// fetches are the calls of all workers so far.
func (p *process) fetches() (n int) {
	for _, w := range p.workers {
		n += len(w.host.HTTPCalls)
	}
	return n
}

// answer answers the newest fetch of any worker, of which there must be one that is open.
func (p *process) answer(status, body string) {
	p.t.Helper()
	require.True(p.t, p.answerAny(status, body), "nobody has asked")
}

// answerAny does the same, if there is one.
func (p *process) answerAny(status, body string) bool {
	for _, w := range p.workers {
		if n := len(w.host.HTTPCalls); n > 0 && w.host.HTTPCalls[n-1].Body == "" {
			w.host.HTTPCalls[n-1].Body = "answered"
			w.host.Answer(host.CallID(n), status, body, w.respond)
			return true
		}
	}
	return false
}

const (
	allowed = "allowed"
	waits   = "waits"
	both    = "refused, and yet it goes on"
)

// send sends a request with a token, "" for none, and tells what became of it at once.
func (w *worker) send(token string) string {
	headers := [][2]string{{":method", "GET"}, {":path", "/"}, {":authority", "service.test"}}
	if token != "" {
		headers = append(headers, [2]string{"authorization", "Bearer " + token})
	}
	headers = append(headers, [2]string{"x-user", "root"})
	w.host.NextRequest(headers, map[string]string{"source.address": "127.0.0.1:1"})
	w.tag = w.host.Stream()
	if w.request() == host.Continue {
		return allowed
	}
	return w.state()
}

// state is what became of the request at hand.
func (w *worker) state() string {
	switch h := w.host; {
	case h.Sent != nil && h.Resumed:
		return both
	case h.Sent != nil:
		return fmt.Sprint(h.Sent.Status)
	case h.Resumed:
		return allowed
	}
	return waits
}

// later is what has become of a request by now.
func (w *worker) later(id host.StreamID) string {
	fault := w.host.Fault
	w.host.Fault = nil
	defer func() { w.host.Fault = fault }()
	require.True(w.process.t, w.host.Enter(id))
	return w.state()
}

func remote(changes object) object {
	provider := object{"issuer": "https://idp.example", "jwksUri": "https://idp.example/keys", "jwksCluster": "idp"}
	for name, value := range changes {
		provider[name] = value
	}
	return object{"providers": object{"corp": provider}}
}

// token is one of the test keys, with another key ID if that is not "".
func token(t *testing.T, kid string) string {
	t.Helper()
	k := casetest.Token{Claims: object{"iss": "https://idp.example", "sub": "alice", "exp": "+10h"}}
	if kid != "" {
		k.Header = object{"kid": kid}
	}
	return k.Compact(t)
}

// forgery is a token that somebody else has signed, with the right key ID.
func forgery(t *testing.T) string {
	t.Helper()
	k := casetest.Token{Key: "stranger", Claims: object{"iss": "https://idp.example", "sub": "alice", "exp": "+10h"}}
	return k.Compact(t)
}

// keySet is that of the test keys, with another key ID of the one that signs if that is not "".
func keySet(t *testing.T, kid string) string {
	t.Helper()
	if kid == "" {
		return casetest.Keys(t)
	}
	return strings.ReplaceAll(casetest.Keys(t), `"test-es"`, `"`+kid+`"`)
}

func TestRemoteKeys(t *testing.T) {
	rings(t, func(t *testing.T, start func(object, int) *process) {
		t.Run("fetched before the first request, by one worker", func(t *testing.T) {
			p := start(remote(nil), 4)
			assert.Zero(t, p.fetches(), "not in Configure")
			p.pass(100 * time.Millisecond)
			require.Equal(t, 1, p.fetches())
			call := p.caller().host.HTTPCalls[0]
			assert.Equal(t, "idp", call.Cluster)
			assert.Equal(t, 5*time.Second, call.Timeout)
			assert.Subset(t, call.Headers, [][2]string{{":method", "GET"}, {":path", "/keys"}, {":authority", "idp.example"}, {":scheme", "https"}})
			p.answer("200", keySet(t, ""))
			p.pass(2 * time.Second)
			for _, w := range p.workers {
				assert.Equal(t, allowed, w.send(token(t, "")))
			}
			assert.Equal(t, 1, p.fetches())
		})
		t.Run("requests wait for the first set, at whichever worker", func(t *testing.T) {
			p := start(remote(nil), 2)
			var ids []host.StreamID
			for _, w := range p.workers {
				require.Equal(t, waits, w.send(token(t, "")))
				ids = append(ids, w.tag)
			}
			refused := p.workers[0]
			require.Equal(t, waits, refused.send(forgery(t)), "nobody knows yet")
			forged := refused.tag
			require.Equal(t, "401", refused.send(""), "but no token is no token")
			require.Equal(t, "401", refused.send("x.y.z"))
			p.pass(time.Second)
			require.Equal(t, 1, p.fetches())
			p.answer("200", keySet(t, ""))
			p.pass(100 * time.Millisecond)
			for i, w := range p.workers {
				assert.Equal(t, allowed, w.later(ids[i]))
			}
			assert.Equal(t, "401", refused.later(forged))
		})
		t.Run("a request waits as long as the timeout", func(t *testing.T) {
			p := start(remote(object{"timeout": "2s"}), 2)
			w := p.workers[1]
			require.Equal(t, waits, w.send(token(t, "")))
			id := w.tag
			p.pass(1900 * time.Millisecond)
			assert.Equal(t, waits, w.later(id))
			p.pass(200 * time.Millisecond)
			assert.Equal(t, "503", w.later(id))
		})
		t.Run("a provider that is down is asked less and less, and then nobody waits", func(t *testing.T) {
			p := start(remote(object{"timeout": "1s"}), 2)
			p.pass(100 * time.Millisecond)
			asked := p.fetches()
			for range 3000 { // a minute
				p.pass(20 * time.Millisecond)
				if n := p.fetches(); n > asked {
					asked = n
					p.answer("", "")
				}
			}
			assert.Less(t, asked, 12)
			assert.Greater(t, asked, 6)
			for p.fetches() == asked {
				p.pass(20 * time.Millisecond)
			}
			p.answer("", "")
			assert.Equal(t, "503", p.workers[0].send(token(t, "")), "the next attempt is too far away")
			for asked = p.fetches(); p.fetches() == asked; {
				p.pass(20 * time.Millisecond)
			}
			require.Equal(t, waits, p.workers[0].send(token(t, "")), "one is under way")
			id := p.workers[0].tag
			p.answer("200", keySet(t, ""))
			p.pass(40 * time.Millisecond)
			assert.Equal(t, allowed, p.workers[0].later(id))
		})
		t.Run("a set is refreshed ahead of time, and serves on if that fails", func(t *testing.T) {
			p := start(remote(object{"jwksCacheDuration": "10s", "jwksRefreshOnUnknownKid": false}), 2)
			p.pass(100 * time.Millisecond)
			p.answer("200", keySet(t, ""))
			p.pass(7 * time.Second)
			require.Equal(t, 1, p.fetches())
			p.pass(3 * time.Second)
			require.Equal(t, 2, p.fetches())
			large := `{"keys": [], "x": "` + strings.Repeat("x", jwks.MaxSetBytes) + `"}`
			for i, bad := range []struct{ status, body, result string }{
				{"", "", "unreachable"}, {"500", keySet(t, "next"), "status"}, {"302", "", "status"}, {"200", large, "too_large"}, {"200", "<html>", "invalid"},
				{"200", `{"keys": []}`, "invalid"}, {"200", `{"keys": [], "keys": []}`, "invalid"}, {"200", `[]`, "invalid"},
				{"200", `{"keys": [` + strings.Repeat(`{"kty": "x"},`, 64) + keySet(t, "next")[9:], "invalid"},
			} {
				p.answer(bad.status, bad.body)
				assert.Equal(t, allowed, p.workers[i%2].send(token(t, "")), bad.body)
				for n := p.fetches(); n == p.fetches(); {
					p.pass(500 * time.Millisecond)
				}
			}
			p.answer("200", keySet(t, "next"))
			p.pass(2 * time.Second)
			counted := map[string]int64{}
			for _, w := range p.workers {
				for name, n := range w.host.Metrics {
					counted[name] += n
				}
			}
			for result, want := range map[string]int64{"ok": 2, "unreachable": 1, "status": 2, "too_large": 1, "invalid": 5} {
				assert.Equal(t, want, counted["palisade.jwks_fetch.provider.corp.result."+result], result)
			}
			assert.Equal(t, "401", p.workers[0].send(token(t, "")), "another key has its ID now")
			assert.Equal(t, allowed, p.workers[0].send(token(t, "next")))
		})
		t.Run("weak keys do not take the others away", func(t *testing.T) {
			p := start(remote(nil), 1)
			p.pass(100 * time.Millisecond)
			p.answer("200", strings.Replace(keySet(t, ""), `{"keys":[`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AAAA"},`, 1))
			assert.Equal(t, allowed, p.workers[0].send(token(t, "")))
		})
		t.Run("a key that is gone verifies nothing, not even what was in the cache", func(t *testing.T) {
			p := start(remote(object{"jwksCacheDuration": "10s", "jwksRefreshOnUnknownKid": false}), 2)
			p.pass(100 * time.Millisecond)
			p.answer("200", keySet(t, ""))
			p.pass(time.Second)
			for _, w := range p.workers {
				require.Equal(t, allowed, w.send(token(t, "")))
			}
			p.pass(10 * time.Second)
			p.answer("200", keySet(t, "next"))
			p.pass(1100 * time.Millisecond)
			for _, w := range p.workers {
				assert.Equal(t, "401", w.send(token(t, "")))
				assert.Equal(t, allowed, w.send(token(t, "next")))
			}
		})
		t.Run("an unknown key ID is asked for once in ten seconds", func(t *testing.T) {
			p := start(remote(object{"jwksCacheDuration": "1h"}), 3)
			p.pass(100 * time.Millisecond)
			p.answer("200", keySet(t, ""))
			p.pass(20 * time.Second)
			require.Equal(t, 1, p.fetches())
			first := p.workers[0]
			require.Equal(t, waits, first.send(token(t, "next")))
			legitimate := first.tag
			require.Equal(t, waits, p.workers[1].send(token(t, "made up")))
			require.Equal(t, 2, p.fetches())
			require.Equal(t, allowed, first.send(token(t, "")), "others do not wait")
			p.answer("200", keySet(t, "next"))
			p.pass(40 * time.Millisecond)
			assert.Equal(t, allowed, first.later(legitimate))
			assert.Equal(t, "401", p.workers[1].later(p.workers[1].tag))
			for i := range 400 { // eight seconds
				require.Equal(t, "401", p.workers[i%3].send(token(t, fmt.Sprint("made up ", i))))
				p.pass(20 * time.Millisecond)
			}
			require.Equal(t, 2, p.fetches())
			p.pass(3 * time.Second)
			require.Equal(t, waits, p.workers[2].send(token(t, "made up")))
			require.Equal(t, 3, p.fetches())
			p.answer("500", "")
			p.pass(20 * time.Millisecond)
			assert.Equal(t, "401", p.workers[2].later(p.workers[2].tag))
		})
		t.Run("no fetch for an unknown key ID where that is off, or the issuer is another", func(t *testing.T) {
			p := start(remote(object{"jwksRefreshOnUnknownKid": false}), 1)
			p.pass(100 * time.Millisecond)
			p.answer("200", keySet(t, ""))
			assert.Equal(t, "401", p.workers[0].send(token(t, "next")))
			p = start(remote(object{"issuer": "https://another.example"}), 1)
			p.pass(100 * time.Millisecond)
			p.answer("200", keySet(t, ""))
			assert.Equal(t, "401", p.workers[0].send(token(t, "next")))
			assert.Equal(t, 1, p.fetches())
		})
		t.Run("a client that does not wait", func(t *testing.T) {
			p := start(remote(nil), 1)
			w := p.workers[0]
			require.Equal(t, waits, w.send(token(t, "")))
			gone := w.tag
			require.Equal(t, waits, w.send(token(t, "")))
			there := w.tag
			w.host.EndRequest(gone)
			p.answer("200", keySet(t, ""))
			assert.Equal(t, allowed, w.later(there))
		})
		t.Run("where a token is not needed, the provider may be down", func(t *testing.T) {
			config := remote(object{"timeout": "1s", "outputClaimToHeaders": []object{{"header": "x-user", "claim": "sub"}}})
			config["rules"] = []object{{"require": object{"permissive": object{"provider": "corp"}}}}
			p := start(config, 1)
			w := p.workers[0]
			require.Equal(t, allowed, w.send(""))
			require.Equal(t, waits, w.send(token(t, "")))
			late := w.tag
			p.pass(1100 * time.Millisecond)
			require.Equal(t, allowed, w.later(late))
			assert.NotContains(t, w.host.Properties, "palisade.jwt")
			assert.False(t, slices.ContainsFunc(w.host.Headers, func(h [2]string) bool { return h[0] == "authorization" || h[0] == "x-user" }))
		})
		t.Run("not more wait than there is room for", func(t *testing.T) {
			p := start(remote(nil), 1)
			k := token(t, "")
			for range 1024 {
				require.Equal(t, waits, p.workers[0].send(k))
			}
			assert.Equal(t, "503", p.workers[0].send(k))
		})
		t.Run("a cluster that is not there", func(t *testing.T) {
			p := start(remote(object{"jwksCluster": "other", "timeout": "1s"}), 1)
			require.Equal(t, waits, p.workers[0].send(token(t, "")))
			p.pass(1100 * time.Millisecond)
			assert.Equal(t, "503", p.workers[0].later(p.workers[0].tag))
			assert.Positive(t, p.workers[0].host.Metrics["palisade.jwks_fetch.provider.corp.result.unreachable"])
		})
		t.Run("a new configuration takes over the set", func(t *testing.T) {
			p := start(remote(nil), 1)
			p.pass(100 * time.Millisecond)
			p.answer("200", keySet(t, ""))
			w := p.add(remote(object{"clockSkew": "1s"}))
			assert.Equal(t, allowed, w.send(token(t, "")))
			assert.Empty(t, w.host.HTTPCalls)
		})
		t.Run("a clock that is set back", func(t *testing.T) {
			p := start(remote(object{"jwksCacheDuration": "10s"}), 1)
			p.pass(100 * time.Millisecond)
			p.answer("200", keySet(t, ""))
			p.now = p.now.Add(-5 * time.Hour)
			p.pass(2 * time.Second)
			require.Equal(t, 2, p.fetches(), "it cannot be told how old the set is")
			p.answer("200", keySet(t, ""))
			p.pass(7 * time.Second)
			assert.Equal(t, 2, p.fetches())
			p.pass(3 * time.Second)
			assert.Equal(t, 3, p.fetches())
		})
	})
}

// caller is the worker that has asked.
func (p *process) caller() *worker {
	for _, w := range p.workers {
		if len(w.host.HTTPCalls) > 0 {
			return w
		}
	}
	return p.workers[0]
}
