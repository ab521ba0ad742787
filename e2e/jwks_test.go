package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/idp"
)

// TestJWKS has jwt-filter fetch keys from identity providers that are down,
// slow, wrong or changing theirs, with workers that share what they know. Each
// scenario has its own provider, listener and cluster in one Envoy, so that it
// also has the others for neighbours in its VMs.
func TestJWKS(t *testing.T) {
	k := &keyedEnvoy{workers: 2}
	for name, failure := range failures() {
		k.add(name, failure.run)
	}
	k.add("fetched once for all", testOneFetcher)
	k.add("requests wait", testRequestsWait)
	// With this option, which filters of bodies need, Envoy would let a body resume a request that waits.
	k.add("requests wait where headers may stop alone", func(t *testing.T, k *keyed) func(*testing.T, *keyed) {
		k.stopIteration = true
		return testRequestsWait(t, k)
	})
	k.add("unknown key IDs", testUnknownKeyIDs)
	for name, prepare := range map[string]scenario{
		"fetched once for all": testOneFetcher, "requests wait": testRequestsWait, "unknown key IDs": testUnknownKeyIDs, "back-off": testBackOff,
	} {
		k.add(name+" in palisade-filter", func(t *testing.T, k *keyed) func(*testing.T, *keyed) {
			k.combined = true
			return prepare(t, k)
		})
	}
	k.add("back-off", testBackOff)
	k.add("weak keys beside good ones", testWeakKeys)
	k.add("no such cluster", testNoCluster)
	k.add("no endpoint", testNoEndpoint)
	k.run(t)
}

// TestJWKSManyWorkers is what depends on how many workers there are, once more.
func TestJWKSManyWorkers(t *testing.T) {
	k := &keyedEnvoy{workers: 4}
	k.add("fetched once for all", testOneFetcher)
	k.add("requests wait", testRequestsWait)
	// With this option, which filters of bodies need, Envoy would let a body resume a request that waits.
	k.add("requests wait where headers may stop alone", func(t *testing.T, k *keyed) func(*testing.T, *keyed) {
		k.stopIteration = true
		return testRequestsWait(t, k)
	})
	k.run(t)
}

// keyedEnvoy is an Envoy with a listener for each of some scenarios.
type keyedEnvoy struct {
	workers   int
	scenarios []*keyed
}

// keyed is a scenario: a jwt-filter whose keys come from one server.
type keyed struct {
	name, slug string
	test       func(*testing.T, *keyed)

	provider *idp.Provider
	server   *idp.KeyServer
	envoy    *envoy.Envoy
	upstream *envoy.Upstream
	options  map[string]any // of the provider, in the configuration
	first    idp.Answer     // nil: the server is down at first

	noCluster, noEndpoint bool // in Envoy
	combined              bool // with the other filters, in palisade-filter
	stopIteration         bool // the plugin has allow_on_headers_stop_iteration

	address string // of the listener
}

// scenario sets up a keyed and gives what is to be done with it.
type scenario func(t *testing.T, k *keyed) (test func(*testing.T, *keyed))

func (e *keyedEnvoy) add(name string, prepare scenario) {
	e.scenarios = append(e.scenarios, &keyed{name: name, test: func(t *testing.T, k *keyed) { k.test = prepare(t, k) }})
}

func (e *keyedEnvoy) run(t *testing.T) {
	upstream := startUpstream(t)
	b := envoy.Bootstrap{Clusters: []envoy.Cluster{upstream.Cluster("upstream")}}
	for _, k := range e.scenarios {
		k.upstream = upstream
		k.start(t)
		if !k.noCluster {
			b.Clusters = append(b.Clusters, k.serverCluster())
		}
		b.Listeners = append(b.Listeners, k.listener(t))
	}
	proxy := startEnvoyWith(t, envoy.Options{Bootstrap: render(t, b), Concurrency: e.workers})
	// All at once, for they wait most of the time. t.Parallel lets no more run than there are processors.
	var wait sync.WaitGroup
	for _, k := range e.scenarios {
		wait.Go(func() {
			t.Run(k.name, func(t *testing.T) {
				k.envoy, k.address = proxy, proxy.Listener(k.slug)
				k.test(t, k)
			})
		})
	}
	wait.Wait()
	assertNoTrap(t, proxy)
	for _, kind := range []string{"resume", "reply", "apply", "record", "shared_data", "waiting"} {
		assert.Zero(t, metric(t, proxy, "palisade_errors", map[string]string{"filter": "jwt", "kind": kind}), kind)
	}
}

// start makes the scenario's provider and its server.
func (k *keyed) start(t *testing.T) {
	t.Helper()
	k.slug = strings.ToLower(strings.Join(strings.Fields(k.name), "-"))
	var err error
	k.provider, err = idp.New("https://" + k.slug + ".example")
	require.NoError(t, err)
	k.test(t, k)
	k.server, err = idp.StartKeyServer(k.first)
	require.NoError(t, err)
	t.Cleanup(k.server.Stop)
}

func (k *keyed) serverCluster() envoy.Cluster {
	c := envoy.Cluster{Name: k.slug, Host: "127.0.0.1", Port: k.server.Port()}
	if k.noEndpoint {
		c.Host = ""
	}
	return c
}

// listener has the scenario's filter.
func (k *keyed) listener(t *testing.T) envoy.Listener {
	t.Helper()
	filter := envoy.Wasm{Name: "jwt-filter", Config: k.config(t), StopIteration: k.stopIteration}
	if k.combined {
		filter.Name = "palisade-filter"
		// The others let everybody pass, and have ticks of their own.
		filter.Config = `{"jwt": ` + filter.Config + `,
			"authz": {"policies": [{"name": "nobody", "action": "DENY", "rules": [{"when": [{"key": "request.auth.claims[sub]", "values": ["nobody"]}]}]}],
				"defaultAction": "allow"},
			"ratelimit": {"concurrency": [{"name": "all", "max": 1000000}]}}`
	}
	return envoy.Listener{Name: k.slug, Cluster: "upstream", Filters: []envoy.Wasm{filter}}
}

func (k *keyed) config(t *testing.T) string {
	t.Helper()
	type object = map[string]any
	provider := object{
		"issuer": k.provider.Issuer, "jwksUri": "http://" + k.slug + ".example/jwks", "jwksCluster": k.slug,
		"outputClaimToHeaders": []object{{"header": "x-user", "claim": "sub"}},
	}
	for name, value := range k.options {
		provider[name] = value
	}
	valid := object{"provider": k.slug}
	config, err := json.Marshal(object{
		"providers": object{k.slug: provider},
		"rules": []object{
			{"match": object{"paths": []string{"/optional"}}, "require": object{"optional": valid}},
			{"match": object{"paths": []string{"/permissive"}}, "require": object{"permissive": valid}},
			{"require": valid},
		},
	})
	require.NoError(t, err)
	return string(config)
}

// assertNoTrap asserts that no VM has failed, and that the process is there.
func assertNoTrap(t *testing.T, e *envoy.Envoy) {
	t.Helper()
	select {
	case <-e.Exited():
		t.Error("Envoy has exited")
	default:
	}
	for _, sign := range []string{"Uncaught", "panic:", "Function: proxy_"} {
		assert.NotContains(t, e.Log().String(), sign)
	}
}

// token is a good one for somebody.
func (k *keyed) token(t *testing.T, subject string) string {
	t.Helper()
	token, err := k.provider.Sign(jose.ES256, k.provider.Claims(subject, "any", nil))
	require.NoError(t, err)
	return token
}

// keys is the answer with the provider's keys as they are now.
func (k *keyed) keys() idp.Answer { return idp.Document(k.provider.JWKS()) }

func (k *keyed) serve(t *testing.T, answer idp.Answer) {
	t.Helper()
	if answer == nil {
		k.server.Stop()
		return
	}
	// A port that is not listened on for a while may be somebody else's for a moment.
	eventually(t, func() bool { return k.server.Serve(answer) == nil })
}

// fetched is how many fetches had a result, as Prometheus sees it.
func (k *keyed) fetched(t *testing.T, result string) int {
	t.Helper()
	return metric(t, k.envoy, "palisade_jwks_fetch", map[string]string{"provider": k.slug, "result": result})
}

func (k *keyed) awaitFetched(t *testing.T, result string, atLeast int) {
	t.Helper()
	eventually(t, func() bool { return k.fetched(t, result) >= atLeast }, "%s", result)
}

// metric is a counter with just these labels.
func metric(t *testing.T, e *envoy.Envoy, name string, labels map[string]string) int {
	t.Helper()
	text, err := e.Prometheus(t.Context())
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^`+name+`\{(.*)\} (\d+)$`).FindAllStringSubmatch(text, -1) {
		got := map[string]string{}
		for _, l := range regexp.MustCompile(`([a-z_]+)="([^"]*)"`).FindAllStringSubmatch(m[1], -1) {
			got[l[1]] = l[2]
		}
		if assert.ObjectsAreEqual(labels, got) {
			value, err := strconv.Atoi(m[2])
			require.NoError(t, err)
			return value
		}
	}
	return 0
}

// eventually waits for a condition, which may fail the test.
func eventually(t *testing.T, condition func() bool, message ...any) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(50 * time.Millisecond) {
		require.True(t, time.Now().Before(end), message...)
	}
}

// answer is what came of a request.
type answer struct {
	status  int
	header  http.Header
	body    string
	echo    envoy.Echo // of a request that got through
	err     error
	elapsed time.Duration
}

// visitor sends requests on connections of its own.
type visitor struct {
	client *http.Client
	url    string
}

// visitor makes one that speaks HTTP/1.1, or HTTP/2 in plain text.
func (k *keyed) visitor(t *testing.T, http2 bool) *visitor {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{client: &http.Client{Transport: transport, Timeout: time.Minute}, url: "http://" + k.address}
}

// visitors are enough of them that each worker has some.
func (k *keyed) visitors(t *testing.T) []*visitor {
	t.Helper()
	const connections = 12
	list := make([]*visitor, connections)
	for i := range list {
		list[i] = k.visitor(t, i%3 == 2)
	}
	return list
}

func (v *visitor) get(path, token string, header ...string) answer {
	return v.send(context.Background(), http.MethodGet, path, token, nil, header...)
}

func (v *visitor) send(ctx context.Context, method, path, token string, body []byte, header ...string) (a answer) {
	start := time.Now()
	request, err := http.NewRequestWithContext(ctx, method, v.url+path, bytes.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	if token != "" {
		request.Header.Set("authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := v.client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	a = answer{status: response.StatusCode, header: response.Header, body: string(content), err: err, elapsed: time.Since(start)}
	if a.status == http.StatusOK {
		_ = json.Unmarshal(content, &a.echo)
	}
	return a
}

// all tells whether each of some visitors gets a status for a token.
func all(visitors []*visitor, token string, status int) bool {
	var wait sync.WaitGroup
	var others atomic.Int64
	for _, v := range visitors {
		wait.Go(func() {
			if v.get("/", token).status != status {
				others.Add(1)
			}
		})
	}
	wait.Wait()
	return others.Load() == 0
}

// failure is a way in which a provider may fail, and what fetches count it as.
type failure struct {
	result string
	answer idp.Answer // nil: it is down
}

func failures() map[string]failure {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
	return map[string]failure{
		"down":    {"unreachable", nil},
		"hanging": {"unreachable", hang},
		"hanging in the middle": {"unreachable", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"keys": [`)
			flush(w)
			hang(w, r)
		}},
		"cut off": {"unreachable", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys": [`)
			flush(w)
			panic(http.ErrAbortHandler)
		}},
		"status 500": {"status", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry", http.StatusInternalServerError) }},
		"redirect": {"status", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://idp.example/elsewhere", http.StatusFound)
		}},
		"no content":        {"status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		"empty":             {"invalid", idp.Document(nil)},
		"HTML":              {"invalid", idp.Document([]byte("<!doctype html><title>Log in</title>"))},
		"duplicate members": {"invalid", idp.Document([]byte(`{"keys": [], "keys": [` + publicKey() + `]}`))},
		"no usable key":     {"invalid", idp.Document([]byte(`{"keys": [{"kty": "oct", "k": "c2VjcmV0"}, {"kty": "EC", "use": "enc"}]}`))},
		"65 keys":           {"invalid", idp.Document([]byte(`{"keys": [` + strings.Repeat(publicKey()+",", 64) + publicKey() + `]}`))},
		"300 kB":            {"too_large", padded(300 << 10)},
		"5 MB":              {"too_large", padded(5 << 20)},
	}
}

// padded is an answer with keys and so many bytes.
func padded(size int) idp.Answer {
	return idp.Document([]byte(`{"padding": "` + strings.Repeat("x", size) + `", "keys": [` + publicKey() + `]}`))
}

func publicKey() string {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	text, err := jose.JSONWebKey{Key: private.Public(), KeyID: "other"}.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return string(text)
}

// run is the life of a provider that fails twice: before there are keys nobody
// is let in, and with the old ones everybody is that was before. Once it works
// again, what it no longer has is refused.
func (f failure) run(_ *testing.T, k *keyed) func(*testing.T, *keyed) {
	k.first = f.answer
	k.options = map[string]any{"timeout": "0.5s", "jwksCacheDuration": "1s", "jwksRefreshOnUnknownKid": false}
	return func(t *testing.T, k *keyed) {
		visitors := k.visitors(t)
		v, alice := visitors[0], k.token(t, "alice")
		k.awaitFetched(t, f.result, 1)
		f.assertNobodyIsLetIn(t, v, alice)

		k.serve(t, k.keys())
		eventually(t, func() bool { return v.get("/", alice).status == http.StatusOK })
		eventually(t, func() bool { return all(visitors, alice, http.StatusOK) })
		a := v.get("/permissive", alice)
		assert.Equal(t, "alice", a.echo.Header.Get("x-user"))

		failed := k.fetched(t, f.result)
		k.serve(t, f.answer)
		k.awaitFetched(t, f.result, failed+2)
		assert.True(t, all(visitors, alice, http.StatusOK), "a token that was seen before, with the old keys")
		assert.True(t, all(visitors, k.token(t, "bob"), http.StatusOK), "a token that was not seen before, with the old keys")

		require.NoError(t, k.provider.Rotate())
		k.serve(t, k.keys())
		carol := k.token(t, "carol")
		eventually(t, func() bool { return all(visitors, carol, http.StatusOK) })
		assert.True(t, all(visitors, alice, http.StatusUnauthorized), "a token that was seen before, of a key that is gone")
	}
}

func (f failure) assertNobodyIsLetIn(t *testing.T, v *visitor, token string) {
	t.Helper()
	a := v.get("/", token)
	require.NoError(t, a.err)
	assert.Equal(t, http.StatusServiceUnavailable, a.status)
	assert.Empty(t, a.header.Get("www-authenticate"), "the token may be good")
	assert.Contains(t, a.body, "the request could not be checked")

	a = v.get("/", token, "content-type", "application/grpc")
	require.NoError(t, a.err)
	assert.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, "14", a.header.Get("grpc-status"))

	assert.Equal(t, http.StatusUnauthorized, v.get("/", "").status)
	assert.Equal(t, http.StatusUnauthorized, v.get("/", "a.b.c").status, "no key would save this one")
	assert.Equal(t, http.StatusOK, v.get("/optional", "").status)
	assert.Equal(t, http.StatusServiceUnavailable, v.get("/optional", token).status)
	a = v.get("/permissive", token, "x-user", "root")
	assert.Equal(t, http.StatusOK, a.status)
	assert.Empty(t, a.echo.Header.Get("x-user"))
	assert.Empty(t, a.echo.Header.Get("authorization"))
}

// testOneFetcher: keys are there before the first request, and are refreshed
// before they are used up, by one worker for all.
func testOneFetcher(_ *testing.T, k *keyed) func(*testing.T, *keyed) {
	const keep = 2 * time.Second
	k.first = k.keys()
	k.options = map[string]any{"jwksCacheDuration": keep.String()}
	return func(t *testing.T, k *keyed) {
		k.awaitFetched(t, "ok", 1)
		requests, err := k.envoy.Stat(t.Context(), "http."+k.slug+".downstream_rq_total")
		require.NoError(t, err)
		require.Zero(t, requests)

		visitors, token := k.visitors(t), k.token(t, "alice")
		for range 12 {
			time.Sleep(keep / 4)
			require.True(t, all(visitors, token, http.StatusOK))
		}
		fetches := k.server.Fetches()
		last := fetches[len(fetches)-1]
		// Between 0.75 and 0.9 of the period after each other; by each worker for itself it would be a multiple.
		spans := float64(last.Sub(fetches[0])) / float64(keep)
		assert.LessOrEqual(t, float64(len(fetches)-1), spans/0.75+0.5)
		assert.Greater(t, float64(len(fetches)-1), spans*0.8)
		assert.Equal(t, len(fetches), k.fetched(t, "ok"))
		t.Logf("%d fetches in %s", len(fetches), last.Sub(fetches[0]))
	}
}

// testRequestsWait: requests that come before the keys do are stopped, go on
// as they came, and may be given up.
func testRequestsWait(_ *testing.T, k *keyed) func(*testing.T, *keyed) {
	ready := make(chan struct{})
	k.first = idp.After(ready, k.keys())
	k.options = map[string]any{"timeout": "60s"}
	return func(t *testing.T, k *keyed) {
		token := k.token(t, "alice")
		body := make([]byte, 3<<20) // more than Envoy's buffers hold
		_, _ = rand.Read(body)
		digest := sha256.Sum256(body)

		var wait sync.WaitGroup
		var mu sync.Mutex
		var answers []answer
		send := func(ctx context.Context, v *visitor, method string, body []byte) {
			wait.Go(func() {
				a := v.send(ctx, method, "/wait?for=keys", token, body)
				mu.Lock()
				defer mu.Unlock()
				answers = append(answers, a)
			})
		}
		patient, impatient, unnoticed := 0, 0, 0
		gone, leave := context.WithCancel(t.Context())
		for _, v := range k.visitors(t) {
			send(t.Context(), v, http.MethodGet, nil)
			patient++
		}
		for _, http2 := range []bool{false, false, true, true} {
			send(t.Context(), k.visitor(t, http2), http.MethodPost, body)
			patient++
		}
		// Streams of one connection, some of which end.
		shared := k.visitor(t, true)
		for i := range 12 {
			if i%2 == 0 {
				send(t.Context(), shared, http.MethodGet, nil)
				patient++
			} else {
				send(gone, shared, http.MethodGet, nil)
				impatient++
			}
		}
		// Connections that end, with one stream and with several.
		lost := k.visitor(t, true)
		for range 4 {
			send(gone, lost, http.MethodGet, nil)
			send(gone, k.visitor(t, false), http.MethodGet, nil)
			send(gone, k.visitor(t, false), http.MethodPost, body[:1000])
			impatient += 3
			// Once its buffers are full Envoy does not read on, and so does not see that the client has left.
			send(gone, k.visitor(t, false), http.MethodPost, body)
			unnoticed++
		}
		k.awaitActive(t, patient+impatient+unnoticed, patient+impatient+unnoticed)
		leave()
		k.awaitActive(t, patient, patient+unnoticed)
		assert.Zero(t, k.fetched(t, "ok"))

		close(ready)
		wait.Wait()
		passed := 0
		for _, a := range answers {
			if a.err != nil {
				assert.ErrorIs(t, a.err, context.Canceled)
				continue
			}
			passed++
			assert.Equal(t, http.StatusOK, a.status, a.body)
			assert.Equal(t, "alice", a.echo.Header.Get("x-user"))
			assert.Empty(t, a.echo.Header.Get("authorization"))
			assert.Equal(t, "/wait?for=keys", a.echo.Path)
			if a.echo.Method == http.MethodPost {
				assert.Equal(t, digest[:], a.echo.Digest, "the body that came")
			}
		}
		assert.Equal(t, patient, passed)
		assert.Len(t, k.server.Fetches(), 1)
		k.awaitActive(t, 0, 0)
		assert.True(t, all(k.visitors(t), token, http.StatusOK))
		decisions := metric(t, k.envoy, "palisade_decisions", map[string]string{"filter": "jwt", "effect": "allow", "policy": k.slug, "mode": "enforce"})
		decisions -= len(k.visitors(t))
		assert.GreaterOrEqual(t, decisions, patient)
		assert.LessOrEqual(t, decisions, patient+unnoticed, "those who were seen to leave are not decided about")
	}
}

// awaitActive waits until so many requests are under way.
func (k *keyed) awaitActive(t *testing.T, least, most int) {
	t.Helper()
	eventually(t, func() bool {
		active, err := k.envoy.Stat(t.Context(), "http."+k.slug+".downstream_rq_active")
		require.NoError(t, err)
		return least <= active && active <= most
	}, "%d to %d requests under way", least, most)
}

// unknownKeyIDInterval is how often the contract lets unknown key IDs have keys fetched.
const unknownKeyIDInterval = 10 * time.Second

// testUnknownKeyIDs: tokens of a new key are waited for, and a flood of tokens
// whose keys do not exist does not become a flood of fetches.
func testUnknownKeyIDs(_ *testing.T, k *keyed) func(*testing.T, *keyed) {
	k.first = k.keys()
	return func(t *testing.T, k *keyed) {
		visitors, alice := k.visitors(t), k.token(t, "alice")
		eventually(t, func() bool { return all(visitors, alice, http.StatusOK) })
		require.Len(t, k.server.Fetches(), 1)

		// A new key, and everybody comes with a token of it at once.
		require.NoError(t, k.provider.Rotate())
		k.serve(t, k.keys())
		assert.True(t, all(visitors, k.token(t, "bob"), http.StatusOK))
		require.Len(t, k.server.Fetches(), 2)

		// It is not long ago, so nobody asks for the next one yet. Whoever floods does not speed it up.
		require.NoError(t, k.provider.Rotate())
		k.serve(t, k.keys())
		carol := k.token(t, "carol")
		assert.True(t, all(visitors, carol, http.StatusUnauthorized))
		require.Len(t, k.server.Fetches(), 2)
		flood, stop := context.WithCancel(t.Context())
		defer stop()
		var wait sync.WaitGroup
		var refused, other atomic.Int64
		for i := range 4 {
			v := k.visitor(t, i%2 == 1)
			wait.Go(func() {
				for n := 0; flood.Err() == nil; n++ {
					switch a := v.get("/", k.unknown(fmt.Sprintf("%d-%d", i, n))); {
					case a.err == nil && a.status == http.StatusUnauthorized:
						refused.Add(1)
					default:
						other.Add(1)
					}
				}
			})
		}
		eventually(t, func() bool { return all(visitors, carol, http.StatusOK) })
		stop()
		wait.Wait()
		assert.Zero(t, other.Load())
		fetches := k.server.Fetches()
		require.Len(t, fetches, 3)
		// As the server sees it, which may be a little less.
		assert.Greater(t, fetches[2].Sub(fetches[1]), unknownKeyIDInterval-time.Second)
		assert.True(t, all(visitors, alice, http.StatusUnauthorized))
		t.Logf("%d unknown key IDs, %s between the fetches", refused.Load(), fetches[2].Sub(fetches[1]))
	}
}

// unknown is a token of the provider with a key ID that it does not have.
func (k *keyed) unknown(keyID string) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims, _ := json.Marshal(k.provider.Claims("mallory", "any", nil))
	return encode([]byte(`{"alg":"ES256","kid":"`+keyID+`"}`)) + "." + encode(claims) + "." + encode(bytes.Repeat([]byte{1}, 64))
}

// testBackOff: a provider that fails is asked less and less often, and who
// would wait in vain for the next time does not.
func testBackOff(_ *testing.T, k *keyed) func(*testing.T, *keyed) {
	const timeout = 3 * time.Second
	k.first = failures()["status 500"].answer
	k.options = map[string]any{"timeout": timeout.String()}
	return func(t *testing.T, k *keyed) {
		// 250 ms after the first failure, and twice as long after each other, give or take a quarter. After the sixth,
		// there are 6 seconds at least.
		k.awaitFetched(t, "status", 6)
		a := k.visitor(t, false).get("/", k.token(t, "alice"))
		assert.Equal(t, http.StatusServiceUnavailable, a.status)
		assert.Less(t, a.elapsed, timeout)
		fetches := k.server.Fetches()
		require.Len(t, fetches, 6)
		for i := 1; i < len(fetches); i++ {
			least := 250 * time.Millisecond << (i - 1) * 3 / 4
			assert.Greater(t, fetches[i].Sub(fetches[i-1]), least/2, "after failure %d", i)
		}
	}
}

// testWeakKeys: weak and malformed keys do not take the good ones away.
func testWeakKeys(t *testing.T, k *keyed) func(*testing.T, *keyed) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it is to be weak
	require.NoError(t, err)
	key, err := jose.JSONWebKey{Key: weak.Public(), KeyID: "weak"}.MarshalJSON()
	require.NoError(t, err)
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(k.provider.JWKS(), &set))
	set.Keys = append([]json.RawMessage{key, json.RawMessage(`{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}`)}, set.Keys...)
	document, err := json.Marshal(set)
	require.NoError(t, err)
	k.first = idp.Document(document)
	return func(t *testing.T, k *keyed) {
		k.awaitFetched(t, "ok", 1)
		v := k.visitor(t, false)
		eventually(t, func() bool { return v.get("/", k.token(t, "alice")).status == http.StatusOK })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := k.envoy.Log().Line(ctx, "provider "+k.slug+": the key set has 3 keys for the provider's algorithms, and 2 that are weak or malformed")
		assert.NoError(t, err)
	}
}

// testNoCluster and testNoEndpoint: the proxy does not know whom to ask.
func testNoCluster(_ *testing.T, k *keyed) func(*testing.T, *keyed) {
	k.noCluster = true
	return testNobodyToAsk
}

func testNoEndpoint(_ *testing.T, k *keyed) func(*testing.T, *keyed) {
	k.noEndpoint = true
	return testNobodyToAsk
}

func testNobodyToAsk(t *testing.T, k *keyed) {
	k.awaitFetched(t, "unreachable", 3)
	assert.Equal(t, http.StatusServiceUnavailable, k.visitor(t, false).get("/", k.token(t, "alice")).status)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := k.envoy.Log().Line(ctx, "provider "+k.slug+": the key set was not fetched from http://"+k.slug+".example/jwks: cluster "+k.slug+" cannot be called")
	assert.NoError(t, err)
	assert.Empty(t, k.server.Fetches())
}

// TestJWKSUpdate gives Envoy another configuration while requests wait for
// keys. Those that came before are decided about by the old one, with the keys
// that either of them gets.
func TestJWKSUpdate(t *testing.T) {
	tests := []struct {
		name, accepted string
		perUpdate      int
		start          func(*testing.T, *keyed) (update func() error)
	}{
		{"ECDS", "extension_config_discovery.http_filter.palisade.jwt-filter.config_reload", 1, startKeyedECDS},
		{"LDS, filter chain in place", "listener_manager.listener_in_place_updated", 1,
			func(t *testing.T, k *keyed) func() error { return startKeyedLDS(t, k, false) }},
		{"LDS, whole listener", "listener_manager.listener_create_success", updateWorkers,
			func(t *testing.T, k *keyed) func() error { return startKeyedLDS(t, k, true) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ready := make(chan struct{})
			k := &keyed{name: "corp", options: map[string]any{"timeout": "60s"}}
			k.test = func(_ *testing.T, k *keyed) { k.first = idp.After(ready, k.keys()) }
			k.start(t)
			update := test.start(t, k)
			token := k.token(t, "alice")

			before := k.wait(t, token)
			k.awaitActive(t, waitingRequests, waitingRequests)
			k.options["outputClaimToHeaders"] = []map[string]any{{"header": "x-subject", "claim": "sub"}}
			k.update(t, test.accepted, test.perUpdate, update)
			after := k.wait(t, token)
			k.awaitActive(t, 2*waitingRequests, 2*waitingRequests)

			close(ready)
			for range waitingRequests {
				a := <-before
				assert.Equal(t, http.StatusOK, a.status, "%s %v", a.body, a.err)
				assert.Equal(t, "alice", a.echo.Header.Get("x-user"))
				a = <-after
				assert.Equal(t, http.StatusOK, a.status, "%s %v", a.body, a.err)
				assert.Equal(t, "alice", a.echo.Header.Get("x-subject"))
				assert.Empty(t, a.echo.Header.Get("x-user"))
			}
			// One, unless it was under way on Envoy's main thread, where no request keeps the old configuration.
			assert.LessOrEqual(t, len(k.server.Fetches()), 2)
			assertNoTrap(t, k.envoy)
		})
	}

	// Without requests that keep it, the old configuration is gone at once, and its fetch with it. The new one does not
	// wait for the time that it would have had.
	t.Run("nobody waits", func(t *testing.T) {
		ready := make(chan struct{})
		k := &keyed{name: "corp", options: map[string]any{"timeout": "60s"}}
		k.test = func(_ *testing.T, k *keyed) { k.first = idp.After(ready, k.keys()) }
		k.start(t)
		update := startKeyedECDS(t, k)
		eventually(t, func() bool { return len(k.server.Fetches()) == 1 })
		k.options["clockSkew"] = "1s"
		k.update(t, tests[0].accepted, 1, update)
		close(ready)
		a := k.visitor(t, false).get("/", k.token(t, "alice"))
		assert.Equal(t, http.StatusOK, a.status, "%s %v", a.body, a.err)
		assert.Less(t, a.elapsed, 30*time.Second)
		assertNoTrap(t, k.envoy)
	})
}

// TestJWKSImpatience has clients give up when the filter does: what it says
// must not reach a stream that has just ended. Envoy would crash.
func TestJWKSImpatience(t *testing.T) {
	const timeout, rounds, clients = time.Second, 6, 200
	k := &keyed{name: "corp", options: map[string]any{"timeout": timeout.String()}}
	k.test = func(_ *testing.T, k *keyed) { k.first = failures()["hanging"].answer }
	k.start(t)
	startKeyedLDS(t, k, false)
	token := k.token(t, "alice")
	for round := range rounds {
		var wait sync.WaitGroup
		for i := range clients {
			ctx, cancel := context.WithTimeout(t.Context(), timeout-20*time.Millisecond+time.Duration(i)*250*time.Microsecond)
			defer cancel()
			v := k.visitor(t, i%8 != 0) // what HTTP/2 clients do is more delicate
			wait.Go(func() { v.send(ctx, http.MethodGet, "/", token, nil) })
		}
		wait.Wait()
		select {
		case <-k.envoy.Exited():
			require.Fail(t, "Envoy has exited", "round %d", round)
		default:
		}
	}
	k.awaitActive(t, 0, 0)
	assertNoTrap(t, k.envoy)
	assert.Equal(t, http.StatusUnauthorized, k.visitor(t, true).get("/", "").status)
}

const waitingRequests = 12

// wait sends requests that will have to wait.
func (k *keyed) wait(t *testing.T, token string) <-chan answer {
	t.Helper()
	answers := make(chan answer, waitingRequests)
	for i := range waitingRequests {
		v := k.visitor(t, i%2 == 1)
		go func() { answers <- v.get("/", token) }()
	}
	return answers
}

// update writes the configuration and waits until it is in force.
func (k *keyed) update(t *testing.T, accepted string, perUpdate int, write func() error) {
	t.Helper()
	u := &updated{envoy: k.envoy}
	before := u.stat(t, accepted)
	require.NoError(t, write())
	u.await(t, accepted, before+perUpdate)
}

func startKeyedECDS(t *testing.T, k *keyed) (update func() error) {
	t.Helper()
	filter := envoy.Wasm{Name: "jwt-filter", DiscoveryFile: filepath.Join(t.TempDir(), "jwt.json")}
	update = func() error {
		filter.Config = k.config(t)
		return filter.WriteDiscovery()
	}
	require.NoError(t, update())
	k.startUpdatable(t, func(b *envoy.Bootstrap) {
		b.Listeners = []envoy.Listener{{Name: k.slug, Cluster: "upstream", Filters: []envoy.Wasm{filter}}}
	})
	return update
}

func startKeyedLDS(t *testing.T, k *keyed, whole bool) (update func() error) {
	t.Helper()
	file, first := filepath.Join(t.TempDir(), "listeners.json"), true
	update = func() error {
		l := k.listener(t)
		if whole && !first {
			l.Inspectors = []envoy.Extension{envoy.TLSInspector}
		}
		first = false
		return envoy.WriteListeners(file, l)
	}
	require.NoError(t, update())
	k.startUpdatable(t, func(b *envoy.Bootstrap) { b.ListenersFile = file })
	return update
}

func (k *keyed) startUpdatable(t *testing.T, complete func(*envoy.Bootstrap)) {
	t.Helper()
	k.upstream = startUpstream(t)
	b := envoy.Bootstrap{Clusters: []envoy.Cluster{k.upstream.Cluster("upstream"), k.serverCluster()}}
	complete(&b)
	k.envoy = startEnvoyWith(t, envoy.Options{Bootstrap: render(t, b), Concurrency: updateWorkers, DrainTime: time.Minute})
	k.address = k.envoy.Listener(k.slug)
}
